"""Sessions: run parts of a graph, with variables that outlive the run."""

from gradion.graph.session.default_session import current_session
from gradion.graph.session.device_info import DeviceInfo
from gradion.graph.session.errors import (
    CheckFailedError,
    UnfedPlaceholderError,
    UninitializedVariableError,
)
from gradion.graph.session.partial_run import PartialRun
from gradion.graph.session.run_metadata import RunMetadata, RunOptions, Trace
from gradion.graph.session.run_trace import StepAnalysis, TracedRun, TraceEvent
from gradion.graph.session.runtime import AbstractRuntime, AbstractStep
from gradion.graph.session.session import AbstractSession, InteractiveSession, Session
from gradion.graph.session.session_config import SessionConfig
from gradion.graph.session.targets import RuntimeFactory, register_target

__all__ = [
    "AbstractRuntime",
    "AbstractSession",
    "AbstractStep",
    "CheckFailedError",
    "DeviceInfo",
    "InteractiveSession",
    "PartialRun",
    "RunMetadata",
    "RunOptions",
    "RuntimeFactory",
    "Session",
    "SessionConfig",
    "StepAnalysis",
    "Trace",
    "TraceEvent",
    "TracedRun",
    "UnfedPlaceholderError",
    "UninitializedVariableError",
    "current_session",
    "register_target",
]
