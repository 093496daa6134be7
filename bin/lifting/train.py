# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the lifting network: `./bin/train-lift MOCAP_DIR --out lift.safetensors --cache FOLDER`.

MOCAP_DIR holds `subject_NNN.npz` at any depth (`bin/benchmarks/mocap` tells the layout) with their own split: `train` is learned, `val`
is scored (quality A) as it goes. Poses are made by our own solver first and kept in --cache. Beside the weights lie `lift.json` (command,
seed, hash of the data, steps, figures), `lift.csv` (curves) and `lift.state.pt` (where to go on: the same command goes on from there).
One seed gives one result: a run that was stopped ends with the same bits.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import time
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset

from bin.lifting.chain import Chain
from bin.lifting.generator import Batch, Batches
from bin.lifting.labels import data_hash, labels, mocap_files
from bin.lifting.losses import WEIGHTS, losses, total
from bin.lifting.motions import Motions
from bin.lifting.pictures import pictures
from skel_blender.anatomy import JOINT_NAMES
from skel_blender.engine.body import load_body
from skel_blender.engine.card import choose_device
from skel_blender.engine.regress.lift import LiftNetwork, Size, load_lift, save_lift

CREDIT = ("The data used in this project was obtained from mocap.cs.cmu.edu. "
          "The database was created with funding from NSF EIA-0196217.")  # fmt: skip
_WARM_UP, _LAST_RATE = 300, 0.01  # steps; part of the rate that is left at the end
_CLIP, _DECAY = 1.0, 0.01
_STATISTICS, _VAL_SEED, _VAL_BATCHES = 8, 7, 8
_LIMBS = [JOINT_NAMES.index(f"{name}_{side}") for name in ("humerus", "ulna", "hand", "femur", "tibia", "talus") for side in "rl"]


class Training:
    """A run: network, optimizer, step and where they are kept."""

    def __init__(self, given: argparse.Namespace, device: torch.device, train: Batches, val: Batches, about: dict[str, object]) -> None:
        self.given, self.device, self.train, self.val, self.about = given, device, train, val, about
        torch.manual_seed(given.seed)
        self.network = LiftNetwork(Size(given.width, 2 * given.width)).to(self.device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=given.rate, weight_decay=_DECAY)
        self.chain = Chain(load_body("open", "male").rest_frames, self.device)
        self.step, self.spent_s = 0, 0.0
        self.state = given.out.with_suffix(".state.pt")
        if self.state.exists():
            self._go_on()
        elif given.start:
            self.network.load_state_dict(load_lift(given.start, self.device).network.state_dict())
        else:
            self._measure()
        self._forget()

    def run(self) -> None:
        """To the last step, or until the minutes are over."""
        given, start, told = self.given, time.monotonic() - self.spent_s, time.monotonic()
        loader = DataLoader(Subset(self.train, range(self.step, given.steps)), batch_size=None, num_workers=given.workers,
                            prefetch_factor=4 if given.workers else None)  # fmt: skip
        since: list[dict[str, float]] = []
        for batch in loader:
            terms = self._learn(batch)
            self.step += 1
            since.append({name: float(value.detach()) for name, value in terms.items()})
            self.spent_s = time.monotonic() - start
            if self.step % given.log == 0:
                self._log({name: sum(one[name] for one in since) / len(since) for name in terms})
                since = []
            if given.minutes is not None and self.spent_s > 60 * given.minutes:
                break
            if time.monotonic() - told > 60 * given.save_minutes:
                self.keep()
                told = time.monotonic()
        self.keep()

    def keep(self) -> None:
        """Weights, what they are, and the state, each whole or not at all."""
        network = self._mean_with_start()
        figures = self.evaluate(network)
        info = self.about | {"steps": self.step, "of": self.given.steps, "minutes": round(self.spent_s / 60, 1), "val": figures}
        save_lift(self.given.out, network, {"about": json.dumps(info), "licence": CREDIT})
        info["sha256"] = hashlib.sha256(self.given.out.read_bytes()).hexdigest()
        self.given.out.with_suffix(".json").write_text(json.dumps(info, indent=1) + "\n")
        part = self.state.with_suffix(".part")
        torch.save({"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step,
                    "spent_s": self.spent_s, "about": self.about}, part)  # fmt: skip
        part.replace(self.state)
        print(f"step {self.step}: {figures}", flush=True)

    @torch.no_grad()
    def evaluate(self, network: LiftNetwork) -> dict[str, float]:
        """On windows of the val split: limb joints' mean error (mm, about the pelvis), angles (degrees), spread against error."""
        network.eval()
        rows = []
        for number in range(len(self.val)):
            batch = self._moved(self.val[number])
            answer = network.symmetric(batch.values)
            terms = losses(answer, batch, self.chain)
            flat = [part.flatten(0, 1) for part in answer]
            joints = self.chain.joints(type(answer)(flat), batch.facing.flatten(0, 1), batch.offsets.flatten(0, 1)).view_as(batch.joints)
            limbs = (joints - batch.joints)[..., _LIMBS, :].norm(dim=-1).mean()
            rows.append([1000 * limbs, math.degrees(terms["angles"]), terms["place"], terms["lengths"], terms["sigma"]])
        network.train()
        names = ("limbs_mm", "angles_deg", "place", "lengths", "sigma")
        return {name: round(float(value), 4) for name, value in zip(names, torch.tensor(rows).mean(0))}

    def _mean_with_start(self) -> LiftNetwork:
        """What is kept of a run that began from weights: a mean of those and of the learned ones, which may serve both what those had
        learned and what is new better than either (Wortsman et al. 2022, arXiv 2109.01903)."""
        if self.given.start is None:
            return self.network
        begun, result = load_lift(self.given.start, self.device).network.state_dict(), deepcopy(self.network)
        result.load_state_dict({name: begun[name].lerp(value, self.given.share) for name, value in self.network.state_dict().items()})
        return result

    def _learn(self, batch: Batch) -> dict[str, torch.Tensor]:
        done = self.step / max(self.given.steps, 1)
        slope = _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = self.given.rate * slope * min(1.0, (self.step + 1) / _WARM_UP)
        batch = self._moved(batch)
        with torch.autocast(self.device.type, torch.bfloat16) if self.given.bfloat16 else nullcontext():
            answer = self.network(batch.values)
        terms = losses(answer, batch, self.chain)
        self.optimizer.zero_grad(set_to_none=True)
        total(terms).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimizer.step()
        return terms

    def _moved(self, batch: Batch) -> Batch:
        return Batch(*(getattr(batch, field.name).to(self.device) for field in fields(Batch)))

    def _measure(self) -> None:
        """Mean and spread of the features."""
        values = torch.cat([self.train[number].values.flatten(0, 1) for number in range(self.given.steps, self.given.steps + _STATISTICS)])
        self.network.mean.copy_(values.mean(0))
        self.network.spread.copy_(values.std(0).clamp(min=1e-3))

    def _go_on(self) -> None:
        kept = torch.load(self.state, map_location=self.device, weights_only=True)
        if kept["about"] != self.about:
            raise SystemExit(f"{self.state} is of another run: use another --out, or remove it.")
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.step, self.spent_s = kept["step"], kept["spent_s"]

    def _forget(self) -> None:
        """Take from the curves what a run that was killed had learned since it was last kept: it is learned again."""
        path = self.given.out.with_suffix(".csv")
        if path.exists():
            head, *rows = path.read_text().splitlines(keepends=True)
            path.write_text(head + "".join(row for row in rows if int(row.split(",")[0]) <= self.step))

    def _log(self, means: dict[str, float]) -> None:
        path = self.given.out.with_suffix(".csv")
        fresh = not path.exists()
        with path.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(["step", "minutes", *WEIGHTS])
            writer.writerow([self.step, round(self.spent_s / 60, 2), *(round(means[name], 5) for name in WEIGHTS)])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="train-lift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("mocap", type=Path)
    result.add_argument("--out", type=Path, required=True)
    result.add_argument("--cache", type=Path, required=True, help="folder for the labels, made once")
    result.add_argument("--pictures", type=int, default=0, help="drawn people whom BlazePose looks at, for its errors")
    result.add_argument("--start", type=Path, help="weights to begin from; kept is a mean of them and of the learned ones")
    result.add_argument("--share", type=float, default=0.5, help="of the learned weights in that mean")
    result.add_argument("--steps", type=int, default=20000)
    result.add_argument("--minutes", type=float, help="end after this long; the same command goes on")
    result.add_argument("--batch", type=int, default=64, help="windows")
    result.add_argument("--frames", type=int, default=32, help="of a window")
    result.add_argument("--width", type=int, default=384)
    result.add_argument("--rate", type=float, default=1e-3)
    result.add_argument("--seed", type=int, default=0)
    result.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    result.add_argument("--bfloat16", action="store_true", help="multiply in half precision")
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--workers", type=int, default=1, help="processes that make batches; 0 makes them in this one")
    result.add_argument("--label-processes", type=int, default=1)
    result.add_argument("--longest", type=int, help="frames of a clip that are used")
    result.add_argument("--val-split", default="val")
    result.add_argument("--train-split", default="train")
    result.add_argument("--log", type=int, default=50, help="steps between lines of the csv")
    result.add_argument("--save-minutes", type=float, default=5.0)
    return result


def main(argv: list[str]) -> int:
    """Make labels, train, keep."""
    given = parser().parse_args(argv)
    device = choose_device(given.device)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    learned, scored = mocap_files(given.mocap, given.train_split), mocap_files(given.mocap, given.val_split)
    train = labels(learned, given.cache, longest=given.longest, processes=given.label_processes)
    val = labels(scored, given.cache, ("A",), given.longest, given.label_processes)
    command = "train-lift MOCAP_DIR --out lift.safetensors --cache FOLDER " + " ".join(
        f"--{name.replace('_', '-')} {getattr(given, name)}" for name in ("steps", "batch", "frames", "width", "rate", "seed", "device"))
    command += f" --longest {given.longest}" if given.longest else ""
    command += " --bfloat16" if given.bfloat16 else ""
    drawn, begun = None, {}
    if given.pictures:
        drawn = pictures(Motions(train), given.cache, given.pictures, given.frames, given.seed, given.label_processes)
        command += f" --pictures {given.pictures}"
    if given.start:
        command += f" --start {given.start.name} --share {given.share}"
        digest = hashlib.sha256(given.start.read_bytes()).hexdigest()
        begun = {"start": {"sha256": digest} | json.loads(load_lift(given.start).info["about"])}
    about = {
        "command": command, "seed": given.seed, "data_sha256": data_hash(learned + [one for one in scored if one not in learned]),
        "train": f"{len(train.names)} clips, {len(train.poses)} frames", "val_split": f"{len(val.names)} clips, {len(val.poses)} frames",
        "code_sha256": data_hash(list(Path(__file__).parent.glob("*.py"))),
        "pictures": 0 if drawn is None else len(drawn), "torch": torch.__version__.split("+")[0], **begun,
    }  # fmt: skip
    size = (given.seed, given.batch, given.frames)
    val_size = (_VAL_SEED, given.batch, given.frames, _VAL_BATCHES, False)
    learned_from = Batches(Motions(train), *size, given.steps + _STATISTICS, pictures=drawn)
    Training(given, device, learned_from, Batches(Motions(val), *val_size), about).run()
    return 0
