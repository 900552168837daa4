"""Loads an imported network from its folder, strictly."""

from pathlib import Path

from safetensors.torch import load_file

from configs.build_budget import BuildBudget
from configs.errors import InputError, WeightsError
from configs.json_files import read_json
from configs.network_files import CONFIG_BYTES_MAX, read_tensor_sizes
from configs.weights import NETWORK_FILES
from trackers.imported.graph import GraphNetwork

NO_NETWORK = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def load_graph(folder: Path) -> GraphNetwork:
    """Return the network in a folder, in float32, for inference.

    Raises:
        WeightsError: a file is missing or damaged, or the weights are not those that the config describes.
    """
    config_file, weights_file = (folder / name for name in NETWORK_FILES)
    try:
        config = read_json(config_file, bytes_max=CONFIG_BYTES_MAX)
        sizes = read_tensor_sizes(weights_file)
    except InputError as error:
        raise WeightsError(str(error)) from error
    try:
        with BuildBudget(sizes):
            network = GraphNetwork(**{name: config[name] for name in ("operations", "inputs", "outputs")})
        state = {name: tensor.float() for name, tensor in load_file(weights_file).items()}
        network.load_state_dict(state)
    except NO_NETWORK as error:
        problem = " ".join(str(error).split())[:200]
        raise WeightsError(f"{folder}: not an imported network ({problem}); import it again") from error
    return network.requires_grad_(False).eval()
