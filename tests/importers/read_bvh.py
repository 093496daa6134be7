# SPDX-License-Identifier: GPL-3.0-or-later
"""What the library bvhio makes of a BVH file: read_bvh.py FILE TIMES; answers as read_three.mjs does, without skins."""

import json
import sys

import bvhio


def main(file: str, times: list[float]) -> dict:
    content = bvhio.readAsBvh(file)
    root = bvhio.convertBvhToHierarchy(content.Root)
    joints = [joint for joint, _, _ in root.layout() if not joint.Name.endswith("End Site")]
    answer = {"joints": [], "scale": 0.0, "bones": {joint.Name: joint.Parent.Name if joint.Parent else None for joint in joints}}
    for time in times:
        root.loadPose(round(time / content.FrameTime), recursive=True)
        answer["joints"].append({joint.Name: list(joint.PositionWorld) for joint in joints})
    last = content.FrameTime * (content.FrameCount - 1)
    answer["clips"] = [{"name": "", "first": 0.0, "last": last, "keys": content.FrameCount}]
    return answer


if __name__ == "__main__":
    json.dump(main(sys.argv[1], json.loads(sys.argv[2])), sys.stdout)
