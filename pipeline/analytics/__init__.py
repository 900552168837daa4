"""What happens on the ground, in metres and seconds: density, speed, flow, zones, meetings, groups, activity."""
