"""Parameters, Modules and their state."""

from gradion.module.anomaly import detect_anomaly
from gradion.module.buffer import Buffer
from gradion.module.containers import (
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
)
from gradion.module.hooks import (
    RemovableHandle,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from gradion.module.lazy import LazyModule
from gradion.module.meta import ParameterMeta
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.module.prior import AbstractPrior, LogNormalPrior, NormalPrior
from gradion.module.scope import TransformError
from gradion.module.state.state_dict import LoadResult, StateDict, StateDictError
from gradion.module.state.state_file import load_state, save_state

__all__ = [
    "AbstractPrior",
    "Buffer",
    "LazyModule",
    "LoadResult",
    "LogNormalPrior",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NormalPrior",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ParameterMeta",
    "RemovableHandle",
    "Sequential",
    "StateDict",
    "StateDictError",
    "TransformError",
    "detect_anomaly",
    "load_state",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "save_state",
]
