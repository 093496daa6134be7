// SPDX-License-Identifier: GPL-3.0-or-later
// What three.js makes of an FBX or GLB file: node read_three.mjs FILE TIMES MESH_TIMES, both lists of seconds as JSON.
// Prints one JSON object: bones (name -> parent), clips, joints per time, the greatest scale off 1, the skins' points
// and what cameras see per time.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

globalThis.self = globalThis;
globalThis.window = globalThis;
globalThis.ProgressEvent ??= class {};
const three = join(process.env.SKEL_IMPORTERS_JS, "three");
const load = (path) => import(pathToFileURL(join(three, path)));
const { AnimationMixer, LoopOnce, Vector3 } = await load("build/three.module.js");

async function read(file) {
    const bytes = readFileSync(file);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    if (file.endsWith(".fbx")) {
        const { FBXLoader } = await load("examples/jsm/loaders/FBXLoader.js");
        const scene = new FBXLoader().parse(buffer, "");
        return { scene, animations: scene.animations };
    }
    const { GLTFLoader } = await load("examples/jsm/loaders/GLTFLoader.js");
    const found = await new GLTFLoader().parseAsync(buffer, "");
    return { scene: found.scene, animations: found.animations };
}

// Per camera its place, looking along -z with y up, and its projection as OpenGL has it; both by rows.
function cameras(scene) {
    const result = {};
    const rows = (matrix) => matrix.clone().transpose().toArray();
    scene.traverse((node) => {
        if (node.isCamera) result[node.name] = { place: rows(node.matrixWorld), projection: rows(node.projectionMatrix) };
    });
    return result;
}

function skins(scene) {
    const result = {};
    scene.traverse((node) => {
        if (!node.isSkinnedMesh) return;
        node.skeleton.update();
        const points = [];
        const seen = node.geometry.index ? new Set(node.geometry.index.array) : node.geometry.attributes.position.array.keys();
        for (const index of seen) {
            if (index >= node.geometry.attributes.position.count) break;
            points.push(node.getVertexPosition(index, new Vector3()).applyMatrix4(node.matrixWorld).toArray());
        }
        result[node.name] = points;
    });
    return result;
}

const [file, times, meshTimes] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
console.log = console.warn = () => {}; // a loader's remarks are no part of the answer
const { scene, animations } = await read(file);
const bones = [];
scene.traverse((node) => node.isBone && bones.push(node));
const mixer = new AnimationMixer(scene);
const clip = animations[0];
const action = mixer.clipAction(clip);
action.setLoop(LoopOnce, 1);
action.clampWhenFinished = true;
action.play();
let scale = 0;
const answer = { joints: [], skins: [], cameras: [] };
for (const time of times) {
    action.reset().play();
    mixer.setTime(time);
    scene.updateMatrixWorld(true);
    answer.joints.push(Object.fromEntries(bones.map((bone) => [bone.name, bone.getWorldPosition(new Vector3()).toArray()])));
    answer.cameras.push(cameras(scene));
    scene.traverse((node) => {
        for (const value of node.getWorldScale(new Vector3()).toArray()) scale = Math.max(scale, Math.abs(value - 1));
    });
    if (meshTimes.includes(time)) answer.skins.push(skins(scene));
}
answer.scale = scale;
answer.bones = Object.fromEntries(bones.map((bone) => [bone.name, bone.parent?.isBone ? bone.parent.name : null]));
answer.clips = animations.map((each) => ({
    name: each.name,
    first: Math.min(...each.tracks.map((track) => track.times[0])),
    last: Math.max(...each.tracks.map((track) => track.times.at(-1))),
    keys: Math.max(...each.tracks.map((track) => track.times.length)),
}));
process.stdout.write(JSON.stringify(answer));
