"""BlazePose GHUM: keypoints, feet and 3D joints of one person from a crop, by a network that has seen real people."""
