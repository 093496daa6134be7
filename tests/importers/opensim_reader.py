# SPDX-License-Identifier: GPL-3.0-or-later
"""The real OpenSim reads what we wrote: `play PREFIX OUT.npz`, `ik PREFIX OUT.npz [MARKER_ENDING_LEFT_OUT]`, `force PREFIX OUT.npz`.

PREFIX.osim is loaded and assembled, PREFIX.mot and PREFIX.trc are read by OpenSim's own tables. Numpy and opensim only.
"""

import os
import sys

import numpy as np
import opensim

opensim.Logger.setLevelString("warn")
opensim.Logger.removeFileSink()


def rotation(transform):
    matrix = transform.R()
    return np.array([[matrix.get(row, column) for column in range(3)] for row in range(3)])


def coordinates(model, table):
    labels = list(table.getColumnLabels())
    return labels, [model.getCoordinateSet().get(label) for label in labels]


def play(prefix):
    """Bodies' places and axes, the model's markers and the table's, on every row of the motion."""
    model = opensim.Model(prefix + ".osim")
    state = model.initSystem()
    model.assemble(state)
    motion = opensim.TimeSeriesTable(prefix + ".mot")
    in_degrees = motion.getTableMetaDataString("inDegrees")
    model.getSimbodyEngine().convertDegreesToRadians(motion)
    labels, driven = coordinates(model, motion)
    markers = opensim.TimeSeriesTableVec3(prefix + ".trc")
    names = list(markers.getColumnLabels())
    bodies = [model.getBodySet().get(number) for number in range(model.getBodySet().getSize())]
    points = [model.getMarkerSet().get(name) for name in names]
    found = {name: [] for name in ("places", "axes", "points", "given")}
    for row in range(motion.getNumRows()):
        for coordinate, value in zip(driven, motion.getRowAtIndex(row).to_numpy()):
            coordinate.setValue(state, float(value), False)
        model.realizePosition(state)
        found["places"].append([body.getPositionInGround(state).to_numpy() for body in bodies])
        found["axes"].append([rotation(body.getTransformInGround(state)) for body in bodies])
        found["points"].append([point.getLocationInGround(state).to_numpy() for point in points])
        here = markers.getRowAtIndex(row)
        found["given"].append([here[number].to_numpy() for number in range(len(names))])
    meshes = [opensim.Mesh.safeDownCast(body.get_attached_geometry(0)) if body.getPropertyByName("attached_geometry").size() else None
              for body in bodies]  # fmt: skip
    return {
        **{name: np.array(values) for name, values in found.items()}, "bodies": [body.getName() for body in bodies], "markers": names,
        "coordinates": labels, "kinds": [coordinate.getMotionType() for coordinate in driven],
        "ranges": [(coordinate.getRangeMin(), coordinate.getRangeMax()) for coordinate in driven], "in_degrees": in_degrees,
        "times": list(motion.getIndependentColumn()), "marker_times": list(markers.getIndependentColumn()),
        "units": markers.getTableMetaDataString("Units"), "rate": float(markers.getTableMetaDataString("DataRate")),
        "mass": model.getTotalMass(state), "drawn": [drawn(model, state, mesh) for mesh in meshes],
        "inertias": [body.getInertia().getMoments().to_numpy() for body in bodies], "masses": [body.getMass() for body in bodies],
    }  # fmt: skip


def drawn(model, state, mesh):
    """How many shapes OpenSim shows of a mesh: none if it did not find the file or could not read it."""
    shapes = opensim.ArrayDecorativeGeometry()
    if mesh:
        mesh.generateDecorations(True, model.getDisplayHints(), state, shapes)
    return shapes.size()


def ik(prefix, left_out="none"):
    """The coordinates (degrees, m) that OpenSim's inverse kinematics finds from the markers, in the order of the motion's columns.

    It starts where the model stands by default; as one rotation has several triples of angles, that is the motion's first row here.
    """
    markers = opensim.TimeSeriesTableVec3(prefix + ".trc")
    times = list(markers.getIndependentColumn())
    tool = opensim.InverseKinematicsTool()
    model = opensim.Model(prefix + ".osim")
    model.initSystem()
    first = opensim.TimeSeriesTable(prefix + ".mot")
    model.getSimbodyEngine().convertDegreesToRadians(first)
    for coordinate, value in zip(coordinates(model, first)[1], first.getRowAtIndex(0).to_numpy()):
        coordinate.setDefaultValue(float(value))
    tool.setModel(model)
    tool.setMarkerDataFileName(prefix + ".trc")
    tool.setStartTime(times[0])
    tool.setEndTime(times[-1])
    tool.set_accuracy(1e-9)
    tool.set_report_errors(False)
    result = prefix + "_ik.mot"
    tool.setOutputMotionFileName(result)
    for name in markers.getColumnLabels():
        task = opensim.IKMarkerTask()
        task.setName(name)
        task.setApply(not name.endswith(left_out))
        task.setWeight(1.0)
        tool.upd_IKTaskSet().cloneAndAppend(task)
    tool.run()
    wanted, found = opensim.TimeSeriesTable(prefix + ".mot"), opensim.TimeSeriesTable(result)
    os.remove(result)
    labels, order = list(wanted.getColumnLabels()), list(found.getColumnLabels())
    values = found.getMatrix().to_numpy()[:, [order.index(label) for label in labels]]
    return {"coordinates": labels, "found": values, "wanted": wanted.getMatrix().to_numpy()}


def force(prefix):
    """The force on the pelvis' translations by OpenSim's inverse dynamics, and what Newton's law for the centre of mass says, N."""
    model = opensim.Model(prefix + ".osim")
    state = model.initSystem()
    motion = opensim.TimeSeriesTable(prefix + ".mot")
    model.getSimbodyEngine().convertDegreesToRadians(motion)
    labels, driven = coordinates(model, motion)
    step = float(np.mean(np.diff(motion.getIndependentColumn())))
    values = motion.getMatrix().to_numpy()
    smooth = np.stack([np.convolve(column, np.ones(5) / 5, "valid") for column in values.T], axis=1)
    rates = np.gradient(smooth, step, axis=0)
    gains = np.gradient(rates, step, axis=0)
    slots = [slot_of(model, state, coordinate) for coordinate in driven]
    mass, solver, tiny = model.getTotalMass(state), opensim.InverseDynamicsSolver(model), 1e-3
    pairs = []
    for row in range(4, len(smooth) - 4, 3):
        q, u, a = smooth[row], rates[row], gains[row]
        before, here, after = (centre(model, state, driven, q + u * t + a * t * t / 2) for t in (-tiny, 0.0, tiny))
        centre(model, state, driven, q)
        for coordinate, rate in zip(driven, u):
            coordinate.setSpeedValue(state, float(rate))
        model.realizeVelocity(state)
        gain = opensim.Vector(len(driven), 0.0)
        for slot, value in zip(slots, a):
            gain[slot] = float(value)
        forces = solver.solve(state, gain).to_numpy()
        newton = mass * ((before - 2 * here + after) / tiny**2 - model.getGravity().to_numpy())
        pairs.append([forces[[slots[labels.index(f"pelvis_t{axis}")] for axis in "xyz"]], newton])
    return {"forces": np.array(pairs), "weight": mass * 9.80665}


def slot_of(model, state, coordinate):
    """Where a coordinate stands among OpenSim's."""
    start = state.getQ().to_numpy()
    value = coordinate.getValue(state)
    coordinate.setValue(state, value + 0.1, False)
    slot = int(np.argmax(np.abs(state.getQ().to_numpy() - start)))
    coordinate.setValue(state, value, False)
    return slot


def centre(model, state, driven, q):
    for coordinate, value in zip(driven, q):
        coordinate.setValue(state, float(value), False)
    model.realizePosition(state)
    return model.calcMassCenterPosition(state).to_numpy()


if __name__ == "__main__":
    what, where, to, *more = sys.argv[1:]
    np.savez(to, **{"play": play, "ik": ik, "force": force}[what](where, *more))
