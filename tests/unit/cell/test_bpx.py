"""BPX files: conventions against closed forms, round trips, and what is refused."""

import builtins
import copy
import json
import math
import warnings

import numpy as np
import pytest

from gradion.cell.io.bpx import read_bpx, write_bpx
from gradion.cell.parameters import (
    FunctionQuantity,
    Interpolation,
    Quantity,
    Table,
    load_parameters,
)
from gradion.foundation.constants import F, R
from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula

bpx = pytest.importorskip("bpx")

# A made-up cell in round numbers.
FILE = {
    "Header": {"BPX": "1.1.0", "Title": "A cell", "References": "Nobody 2020", "Model": "DFN"},
    "Parameterisation": {
        "Cell": {
            "Electrode area [m2]": 0.02,
            "External surface area [m2]": 0.04,
            "Volume [m3]": 1e-4,
            "Number of electrode pairs connected in parallel to make a cell": 30,
            "Lower voltage cut-off [V]": 2.7,
            "Upper voltage cut-off [V]": 4.2,
            "Nominal cell capacity [A.h]": 12.0,
            "Reference temperature [K]": 298.15,
            "Density [kg.m-3]": 1800.0,
            "Specific heat capacity [J.K-1.kg-1]": 900.0,
        },
        "Electrolyte": {
            "Cation transference number": 0.26,
            "Conductivity [S.m-1]": "0.13 * (x / 1000)**3 - 2.5 * (x/1000)**1.5 + 3.3 * (x/1000)",
            "Diffusivity [m2.s-1]": {"x": [2000.0, 0.0, 1000.0], "y": [1e-10, 5e-10, 3e-10]},
            "Conductivity activation energy [J.mol-1]": 17000.0,
        },
        "Negative electrode": {
            "Thickness [m]": 6e-5,
            "Porosity": 0.25,
            "Transport efficiency": 0.125,
            "Conductivity [S.m-1]": 0.2,
            "Minimum stoichiometry": 0.05,
            "Maximum stoichiometry": 0.85,
            "Maximum concentration [mol.m-3]": 30000.0,
            "Particle radius [m]": 4e-6,
            "Surface area per unit volume [m-1]": 450000.0,
            "Diffusivity [m2.s-1]": "3e-14",
            "Diffusivity activation energy [J.mol-1]": 30000.0,
            "OCP [V]": "0.9 * exp(-100 * x) + 0.1 - 0.02 * tanh(20 * (x - 0.5))",
            "Entropic change coefficient [V.K-1]": {"x": [0.0, 1.0], "y": [-1e-4, 1e-4]},
            "Reaction rate constant [mol.m-2.s-1]": 5e-6,
            "Reaction rate constant activation energy [J.mol-1]": 55000.0,
        },
        "Positive electrode": {
            "Thickness [m]": 5e-5,
            "Porosity": 0.3,
            "Transport efficiency": 0.15,
            "Conductivity [S.m-1]": 0.8,
            "Minimum stoichiometry": 0.4,
            "Maximum stoichiometry": 0.95,
            "Maximum concentration [mol.m-3]": 48000.0,
            "Particle radius [m]": 4.5e-6,
            "Surface area per unit volume [m-1]": 430000.0,
            "Diffusivity [m2.s-1]": "3e-14 * (1 - 0.5 * x)",
            "OCP [V]": "4.7 - 1.1 * x",
            "Reaction rate constant [mol.m-2.s-1]": 2e-5,
        },
        "Separator": {"Thickness [m]": 2e-5, "Porosity": 0.47, "Transport efficiency": 0.32},
    },
    "State": {
        "Initial conditions": {
            "Initial state-of-charge": 0.75,
            "Initial temperature [K]": 300.0,
            "Initial electrolyte concentration [mol.m-3]": 1200.0,
        },
        "Thermal environment": {
            "Ambient temperature [K]": 295.0,
            "Heat transfer coefficient [W.m-2.K-1]": 12.0,
        },
    },
}
DELETE = object()


def edited(changes):
    data = copy.deepcopy(FILE)
    for path, value in changes.items():
        *sections, key = path.split("/")
        section = data
        for name in sections:
            section = section.setdefault(name, {})
        if value is DELETE:
            del section[key]
        else:
            section[key] = value
    return data


@pytest.fixture
def write(tmp_path):
    def write_file(changes=None, name="cell.json"):
        path = tmp_path / name
        path.write_text(json.dumps(edited(changes or {})))
        return path

    return write_file


def test_conventions(write):
    p = read_bpx(write())
    n = p.negative
    assert p.name == "cell"
    assert p.title == "A cell"
    assert p.references[0].citation == "Nobody 2020"
    assert p.cell.electrodes_in_parallel.value == 30
    assert (p.cell.initial_temperature.value, p.cell.ambient_temperature.value) == (300.0, 295.0)
    assert p.cell.heat_transfer_coefficient.value == 12.0
    np.testing.assert_allclose(p.volumetric_heat_capacity(), 1800.0 * 900.0, rtol=1e-15)
    np.testing.assert_allclose(n.active_fraction.value, 450000.0 * 4e-6 / 3, rtol=1e-15)
    np.testing.assert_allclose(0.25**n.bruggeman_electrolyte.value, 0.125, rtol=1e-14)
    assert n.bruggeman_electrode.value == 0.0
    # Fully charged is a full negative and an empty positive electrode.
    np.testing.assert_allclose(n.c_init.value, 30000 * (0.05 + 0.75 * 0.8), rtol=1e-15)
    np.testing.assert_allclose(p.positive.c_init.value, 48000 * (0.95 - 0.75 * 0.55), rtol=1e-15)
    # j0 in both conventions, at c_e0, where BPX's is F K sqrt(x (1 - x)).
    x = 0.3
    j0 = F * n.k.value * math.sqrt(1200.0 * 30000.0 * x * 30000.0 * (1 - x))
    np.testing.assert_allclose(j0, F * 5e-6 * math.sqrt(x * (1 - x)), rtol=1e-14)


def test_functions(write):
    p = read_bpx(write())
    assert isinstance(p.negative.D_s, Quantity)  # a formula without x is a number to be fitted
    assert p.negative.D_s.value == 3e-14
    np.testing.assert_allclose(p.positive.D_s.as_callable()(0.5), 2.25e-14, rtol=1e-14)
    expected = 0.9 * math.exp(-10.0) + 0.1 - 0.02 * math.tanh(-8.0)
    np.testing.assert_allclose(p.negative.ocp.as_callable()(0.1), expected, rtol=1e-14)
    np.testing.assert_allclose(p.electrolyte.kappa.as_callable()(1000.0, 280.0), 0.93, rtol=1e-12)
    np.testing.assert_allclose(p.electrolyte.D_e.as_callable()(1000.0, 280.0), 3e-10, rtol=1e-14)
    assert p.electrolyte.D_e.function.x == (0.0, 1000.0, 2000.0)
    np.testing.assert_allclose(p.negative.entropic_change.as_callable()(0.75), 5e-5, rtol=1e-12)
    assert p.positive.entropic_change.value == 0.0
    assert "not given" in p.positive.entropic_change.source
    assert p.electrolyte.E_a_D_e.value == 0.0
    assert p.electrolyte.E_a_kappa.value == 17000.0


def test_formula_on_several_lines(write):
    text = "4.7\n\t- 1.1 * x"
    assert read_bpx(write({"Parameterisation/Positive electrode/OCP [V]": text})).positive.ocp == (
        read_bpx(write()).positive.ocp
    )


def test_defaults_are_named(write):
    p = read_bpx(write({"State": DELETE}))
    assert p.cell.initial_temperature.value == p.cell.ambient_temperature.value == 298.15
    assert p.electrolyte.c_init.value == 1000.0
    assert p.cell.heat_transfer_coefficient is None
    np.testing.assert_allclose(p.negative.c_init.value, 30000 * 0.85, rtol=1e-15)
    for quantity in (p.cell.ambient_temperature, p.electrolyte.c_init):
        assert "not given" in quantity.source


def test_layer_of_pores_only(write):
    separator = {"Thickness [m]": 2e-5, "Porosity": 1.0, "Transport efficiency": 1.0}
    p = read_bpx(write({"Parameterisation/Separator": separator}))
    assert p.separator.porosity.value**p.separator.bruggeman_electrolyte.value == 1.0


def test_old_files_are_converted_with_a_warning(write):
    path = write(
        {
            "Header/BPX": "0.4.0",
            "State": DELETE,
            "Parameterisation/Electrolyte/Initial concentration [mol.m-3]": 900.0,
            "Parameterisation/Cell/Initial temperature [K]": 303.0,
        }
    )
    with pytest.warns(UserWarning, match="legacy BPX"):
        p = read_bpx(path)
    assert p.electrolyte.c_init.value == 900.0
    assert p.cell.initial_temperature.value == 303.0


def test_what_is_left_out_is_named(write):
    path = write(
        {
            "Parameterisation/Negative electrode/OCP (lithiation) [V]": "0.1 - 0.01 * x",
            "Parameterisation/User-defined": {"Anything [m]": 1.0},
        }
    )
    with pytest.warns(UserWarning, match=r"OCP \(lithiation\) \[V\].*User-defined.Anything"):
        read_bpx(path)


def assert_same(ours, theirs, *, sources=True):
    """Every quantity of ours is in theirs, numbers to the round-off of the conversions."""
    found = theirs.quantities()
    for path, quantity in ours.quantities().items():
        other = found[path]
        if sources:
            assert other.source == quantity.source, path
        if isinstance(quantity, Quantity):
            np.testing.assert_allclose(other.value, quantity.value, rtol=1e-12, err_msg=path)
        elif isinstance(quantity.function, Table):
            assert other == quantity, path
        else:
            arguments = {
                "x": np.linspace(0.1, 0.9, 5),
                "c_e": np.linspace(100, 2e3, 5),
                "T": 298.15,
            }
            values = [arguments[name] for name in quantity.variables]
            np.testing.assert_allclose(
                other.as_callable()(*values), quantity.as_callable()(*values), rtol=1e-13
            )


def test_round_trip_of_a_bpx_file(write, tmp_path):
    p = read_bpx(write())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_bpx(p, tmp_path / "again.json")
        again = read_bpx(tmp_path / "again.json")
        write_bpx(again, tmp_path / "third.json")
    assert (again.name, again.title, again.references) == (p.name, p.title, p.references)
    assert set(again.quantities()) == set(p.quantities())
    assert_same(p, again)
    assert_same(again, read_bpx(tmp_path / "third.json"))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["again.json", "cell.json", "third.json"]


# BPX holds these in another form: averages of the cell, effective conductivities.
OTHER_FORM = ("density", "heat_capacity", "thermal_conductivity", "bruggeman_electrode")


@pytest.mark.parametrize("name", ["chen2020", "marquis2019", "ai2020"])
def test_round_trip_of_a_packaged_set(name, tmp_path):
    p = load_parameters(name)
    write_bpx(p, tmp_path / "set.json", allow_loss=name == "ai2020")
    again = read_bpx(tmp_path / "set.json")
    ours, theirs = p.quantities(), again.quantities()
    for path, quantity in ours.items():
        section, key = path.split(".")
        if "collector" in section or key in OTHER_FORM or key == "conductivity":
            continue
        if (name, section) == ("ai2020", "electrolyte") and key in ("D_e", "kappa"):
            c_e = np.linspace(100.0, 2000.0, 5)
            frozen = theirs[path].as_callable()(c_e, 350.0)
            np.testing.assert_allclose(frozen, quantity.as_callable()(c_e, 298.15), rtol=1e-12)
            continue
        assert theirs[path].source == quantity.source, path
        if isinstance(quantity, Quantity):
            # c_init comes back through the state of charge: the limits are found to 1e-12.
            np.testing.assert_allclose(theirs[path].value, quantity.value, rtol=1e-9, err_msg=path)
        elif isinstance(quantity.function, Table):
            assert theirs[path] == quantity
        else:
            x = np.linspace(0.1, 0.9, 5) * (1000.0 if "c_e" in quantity.variables else 1.0)
            values = (x, 298.15)[: len(quantity.variables)]
            np.testing.assert_allclose(
                theirs[path].as_callable()(*values), quantity.as_callable()(*values), rtol=1e-13
            )
    for part, other in ((p.negative, again.negative), (p.positive, again.positive)):
        effective = part.conductivity.value * (1 - part.porosity.value) ** (
            part.bruggeman_electrode.value
        )
        np.testing.assert_allclose(other.conductivity.value, effective, rtol=1e-14)
    np.testing.assert_allclose(
        again.volumetric_heat_capacity(), p.volumetric_heat_capacity(), rtol=1e-13
    )


def test_limits_are_where_the_voltage_meets_the_cutoffs(tmp_path):
    write_bpx(load_parameters("chen2020"), tmp_path / "set.json")
    p = read_bpx(tmp_path / "set.json")
    U_n, U_p = p.negative.ocp.as_callable(), p.positive.ocp.as_callable()
    for x_n, x_p, voltage in (
        (p.negative.x_soc0, p.positive.x_soc0, 2.5),
        (p.negative.x_soc100, p.positive.x_soc100, 4.2),
    ):
        np.testing.assert_allclose(U_p(x_p.value) - U_n(x_n.value), voltage, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell.contact_resistance": 0.01}, r"cell.contact_resistance: BPX takes 0 for granted"),
        ({"positive.alpha": 0.4}, r"positive.alpha: BPX takes 0.5 for granted"),
        (
            {
                "electrolyte.D_e": FunctionQuantity(
                    Formula("1e-10*T/300", ("c_e", "T")), "m^2/s", "s", ("c_e", "T")
                )
            },
            "electrolyte.D_e: BPX has no function of the temperature",
        ),
        (
            {
                "negative.ocp": FunctionQuantity(
                    Formula("2.0 * exp(-40 * x) + 0.2 - 0.1 * sqrt(x)"), "V", "s", ("x",)
                )
            },
            "negative.ocp: BPX has no function 'sqrt'",
        ),
        ({"negative.c_init": 20000.0, "negative.x_soc0": 0.1}, "does not cross"),
        (
            {
                "negative.x_soc0": 0.03,
                "negative.x_soc100": 0.9,
                "positive.x_soc0": 0.9,
                "positive.x_soc100": 0.4,
            },
            "c_init is a state of charge of 1.00",
        ),
    ],
)
def test_write_refuses(changes, message, tmp_path):
    p = load_parameters("chen2020").with_quantities(changes, source="s")
    if "does not cross" in message:
        p = p.with_quantities({"cell.upper_voltage_cutoff": 5.5}, source="s")
    with pytest.raises(InputError, match=message):
        write_bpx(p, tmp_path / "set.json")
    assert list(tmp_path.iterdir()) == []


def test_loss_is_kept_for_ourselves(tmp_path):
    p = load_parameters("chen2020").with_quantities({"cell.contact_resistance": 0.01}, source="me")
    write_bpx(p, tmp_path / "set.json", allow_loss=True)
    assert read_bpx(tmp_path / "set.json").cell.contact_resistance == p.cell.contact_resistance


def test_cubic_tables_come_back_cubic(tmp_path):
    write_bpx(load_parameters("ai2020"), tmp_path / "set.json", allow_loss=True)
    ocp = read_bpx(tmp_path / "set.json").negative.ocp
    assert ocp.function.interpolation is Interpolation.CUBIC


NEGATIVE = "Parameterisation/Negative electrode"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Header": DELETE}, "cell.json: no BPX object"),
        ({"Header": 3}, "cell.json: no BPX object"),
        ({"Parameterisation": DELETE}, "cell.json: no BPX object"),
        ({"Parameterisation": []}, "cell.json: no BPX object"),
        ({"Header/BPX": "one"}, "no BPX object: Invalid BPX version"),
        ({"Header/Model": "SPM"}, "Header.Model: a parameter set for the model 'SPM' is not"),
        ({"Header/Model": "Partial"}, "model 'Partial' is not supported"),
        ({"Header/Model": "P2D"}, "Model: no BPX object: Input should be"),
        ({NEGATIVE: DELETE}, r"Negative electrode: no BPX object: Field required"),
        (
            {NEGATIVE + "/Particle": {"Primary": {}}},
            "Negative electrode.Particle: a blended electrode is not supported",
        ),
        ({NEGATIVE + "/Thickness [m]": DELETE}, r"Thickness \[m\]: no BPX object: Field required"),
        ({NEGATIVE + "/Thickness [m]": "thin"}, r"Thickness \[m\].*: no BPX object"),
        ({NEGATIVE + "/Thickness [mm]": 1.0}, r"Thickness \[mm\]: no BPX object: Extra inputs"),
        ({NEGATIVE + "/Thickness [m]": 60.0}, r"negative.thickness: got 60 m, expected"),
        ({NEGATIVE + "/Porosity": 0.0}, "got porosity 0.0 and transport efficiency 0.125"),
        ({NEGATIVE + "/Transport efficiency": 1.5}, "transport efficiency 1.5"),
        ({NEGATIVE + "/OCP [V]": "exit(1)"}, r"OCP \[V\]: formula, position 1: unknown function"),
        ({NEGATIVE + "/OCP [V]": "9**9**9**9"}, "no finite value"),
        ({NEGATIVE + "/OCP [V]": "y + 1"}, "unknown name 'y'"),
        ({NEGATIVE + "/OCP [V]": {"x": [0.0, 1.0], "y": [1.0]}}, "no BPX object"),
        ({NEGATIVE + "/OCP [V]": {"x": [0.0, 0.0], "y": [1.0, 0.0]}}, r"x\[1\]: got 0.0 after"),
        (
            {"Parameterisation/Electrolyte/Conductivity [S.m-1]": "breakpoint(x)"},
            "unknown function 'breakpoint'",
        ),
        (
            {"State/Degradation": {"LLI": 0.1, "LAM: Positive electrode": 0}},
            "State.Degradation.LLI: the degraded state 0.1 is not supported",
        ),
        (
            {"Parameterisation/Cell/Reference temperature [K]": DELETE},
            "the reference temperature is missing",
        ),
        (
            {"Parameterisation/User-defined": {"gradion": {"description": "[]"}}},
            "gradion.description: not as write_bpx writes it",
        ),
        (
            {"Parameterisation/User-defined": {"gradion": {"description": "{"}}},
            "gradion.description: no JSON",
        ),
    ],
)
def test_read_refuses(write, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        read_bpx(write(changes))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cell.json: ")
    assert len(str(caught.value)) < 400


def test_no_file_no_json_no_yaml(tmp_path, write):
    with pytest.raises(InputError, match="absent.json: cannot be read"):
        read_bpx(tmp_path / "absent.json")
    with pytest.raises(InputError, match="YAML is not supported"):
        read_bpx(write(name="cell.yaml"))
    for content, message in ((b"{", "no JSON"), (b"[]", "got a list"), (b"\xff", "no JSON")):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_bpx(tmp_path / "bad.json")


def test_says_what_to_install(write, monkeypatch):
    original = builtins.__import__

    def without_bpx(name, *arguments, **keywords):
        if name == "bpx":
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_bpx)
    with pytest.raises(InputError, match=r"pip install gradion\[cell\]"):
        read_bpx(write())


@pytest.mark.peers
def test_agrees_with_pybamm_live(write):
    pybamm = pytest.importorskip("pybamm")
    # PyBaMM wants the entropic changes to be given.
    path = write({"Parameterisation/Positive electrode/Entropic change coefficient [V.K-1]": 0.0})
    values = pybamm.ParameterValues.create_from_bpx(str(path))
    p = read_bpx(path)
    T = 310.0
    for part, name in ((p.negative, "Negative"), (p.positive, "Positive")):
        prefix = f"{name} electrode"
        for ours, theirs in (
            (part.active_fraction, f"{prefix} active material volume fraction"),
            (part.bruggeman_electrolyte, f"{prefix} Bruggeman coefficient (electrolyte)"),
        ):
            np.testing.assert_allclose(ours.value, values[theirs], rtol=1e-12)
        c_e, c_s, c_max = 900.0, 0.4 * part.c_max.value, part.c_max.value
        arrhenius = math.exp(part.E_a_k.value / R * (1 / 298.15 - 1 / T))
        j0 = F * part.k.value * arrhenius * math.sqrt(c_e * c_s * (c_max - c_s))
        function = values[f"{prefix} exchange-current density [A.m-2]"]
        scalars = [pybamm.Scalar(v) for v in (c_e, c_s, c_max, T)]
        theirs = values.process_symbol(function(*scalars)).evaluate()
        # PyBaMM's F and R are rounded in the tenth digit.
        np.testing.assert_allclose(j0, theirs, rtol=1e-9)
