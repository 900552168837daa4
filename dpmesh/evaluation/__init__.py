"""Errors of recovered bodies as the literature reports them."""

from dpmesh.evaluation.mesh_errors import MeshErrors, mesh_errors

__all__ = ["MeshErrors", "mesh_errors"]
