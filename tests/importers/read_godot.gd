# SPDX-License-Identifier: GPL-3.0-or-later
# What Godot makes of FBX and GLB files in its project: godot --headless --path PROJECT -s read_godot.gd -- OUT TIMES MESH_TIMES FILE...
# Writes OUT, a JSON object: file -> answer as read_three.mjs gives it, for the file's only skeleton.
extends SceneTree

func _initialize() -> void:
	await process_frame # from here on what is added to the tree is in it
	var arguments := OS.get_cmdline_user_args()
	var answers := {}
	for file in arguments.slice(3):
		answers[file] = read("res://" + file, JSON.parse_string(arguments[1]), JSON.parse_string(arguments[2]))
	var out := FileAccess.open(arguments[0], FileAccess.WRITE)
	out.store_string(JSON.stringify(answers, "", true, true))
	out.close()
	quit()

func read(file: String, times: Array, mesh_times: Array) -> Dictionary:
	var scene: Node = load(file).instantiate()
	get_root().add_child(scene)
	var skeleton: Skeleton3D = scene.find_children("*", "Skeleton3D", true, false)[0]
	var player: AnimationPlayer = scene.find_children("*", "AnimationPlayer", true, false)[0]
	var clips := []
	for clip in player.get_animation_list():
		clips.append(clock(clip, player.get_animation(clip)))
	var answer := {"joints": [], "skins": [], "scale": 0.0, "bones": {}, "clips": clips}
	for bone in skeleton.get_bone_count():
		var parent := skeleton.get_bone_parent(bone)
		answer["bones"][skeleton.get_bone_name(bone)] = skeleton.get_bone_name(parent) if parent >= 0 else null
	player.current_animation = player.get_animation_list()[0]
	for time in times:
		player.seek(time, true)
		var joints := {}
		for bone in skeleton.get_bone_count():
			var place := skeleton.global_transform * skeleton.get_bone_global_pose(bone)
			joints[skeleton.get_bone_name(bone)] = numbers(place.origin)
			for size in [place.basis.x.length(), place.basis.y.length(), place.basis.z.length()]:
				answer["scale"] = max(answer["scale"], abs(size - 1.0))
		answer["joints"].append(joints)
		if time in mesh_times:
			answer["skins"].append(skins(scene, skeleton))
	scene.free()
	return answer

func clock(title: String, clip: Animation) -> Dictionary:
	var most := 0
	var first := INF
	var last := -INF
	for track in clip.get_track_count():
		var count := clip.track_get_key_count(track)
		most = max(most, count)
		first = min(first, clip.track_get_key_time(track, 0))
		last = max(last, clip.track_get_key_time(track, count - 1))
	return {"name": title, "first": first, "last": last, "keys": most}

func skins(scene: Node, skeleton: Skeleton3D) -> Dictionary:
	var result := {}
	for mesh: MeshInstance3D in scene.find_children("*", "MeshInstance3D", true, false):
		var points := []
		for surface in mesh.mesh.get_surface_count():
			var arrays := mesh.mesh.surface_get_arrays(surface)
			var places: PackedVector3Array = arrays[Mesh.ARRAY_VERTEX]
			var binds: PackedInt32Array = arrays[Mesh.ARRAY_BONES]
			var weights: PackedFloat32Array = arrays[Mesh.ARRAY_WEIGHTS]
			var each := binds.size() / places.size()
			for vertex in places.size():
				var point := Vector3.ZERO
				for k in each:
					var weight := weights[vertex * each + k]
					if weight > 0.0:
						point += weight * (bone_transform(mesh, skeleton, binds[vertex * each + k]) * places[vertex])
				points.append(numbers(skeleton.global_transform * point))
		result[mesh.name] = points
	return result

func bone_transform(mesh: MeshInstance3D, skeleton: Skeleton3D, bind: int) -> Transform3D:
	var bone := mesh.skin.get_bind_bone(bind)
	if bone < 0:
		bone = skeleton.find_bone(mesh.skin.get_bind_name(bind))
	return skeleton.get_bone_global_pose(bone) * mesh.skin.get_bind_pose(bind)

func numbers(vector: Vector3) -> Array:
	return [vector.x, vector.y, vector.z]
