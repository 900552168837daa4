"""Small TensorFlow Lite files, written operator by operator."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT16, FLOAT32, INT32 = schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.INT32


class Writer:
    """Writes a file, operator by operator."""

    def __init__(self, seed: int = 0) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes, self.model.buffers = [], [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]
        self._rng = np.random.default_rng(seed)

    def tensor(self, shape: tuple[int, ...], kind: int = FLOAT32, values: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = list(shape), kind, f"t{len(self.graph.tensors)}", 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def random(self, *shape: int) -> int:
        """Return a constant in half precision, widened by an operator of its own."""
        half = self.tensor(shape, FLOAT16, self._rng.normal(size=shape).astype(np.float16))
        return self.operator("DEQUANTIZE", [half], shape)

    def operator(self, name: str, inputs: list[int], shape: tuple[int, ...], **options: int) -> int:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = {"DEQUANTIZE": 3, "RESIZE_BILINEAR": 3}.get(name, 1)
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = len(self.model.operatorCodes) - 1, inputs
        kind = {
            "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "MAX_POOL_2D": "Pool2DOptions",
            "ADD": "AddOptions", "RESIZE_BILINEAR": "ResizeBilinearOptions", "PAD": "PadOptions",
            "RESHAPE": "ReshapeOptions", "SOFTMAX": "SoftmaxOptions",
        }.get(name)  # fmt: skip
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        operator.outputs = [self.tensor(shape)]
        self.graph.operators.append(operator)
        return int(operator.outputs[0])

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def small_file(side: int = 16, seed: int = 0) -> bytes:
    """Return a file with every operator that BlazePose has; its outputs are chance, chance, maps, maps, maps.

    Args:
        side: of the image, a multiple of 4.
        seed: of the weights.
    """
    w = Writer(seed)
    half, quarter = side // 2, side // 4
    relu6, valid, same = schema.ActivationFunctionType.RELU6, schema.Padding.VALID, schema.Padding.SAME
    image = w.tensor((1, side, side, 3))
    around = w.tensor((4, 2), INT32, np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32))
    behind = w.tensor((4, 2), INT32, np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32))
    padded = w.operator("PAD", [image, around], (1, side + 1, side + 1, 3))
    stride = {"strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1}
    step = stride | {"strideH": 1, "strideW": 1}
    conv = w.operator(
        "CONV_2D", [padded, w.random(4, 3, 3, 3), w.random(4)], (1, half, half, 4),
        padding=valid, fusedActivationFunction=relu6, **stride,
    )  # fmt: skip
    deep = w.operator(
        "DEPTHWISE_CONV_2D", [conv, w.random(1, 5, 5, 4), w.random(4)], (1, quarter, quarter, 4),
        padding=same, depthMultiplier=1, **stride,
    )  # fmt: skip
    pool = w.operator(
        "MAX_POOL_2D", [conv], (1, quarter, quarter, 4),
        padding=same, filterHeight=2, filterWidth=2, strideH=2, strideW=2,
    )  # fmt: skip
    both = w.operator("ADD", [deep, pool], (1, quarter, quarter, 4), fusedActivationFunction=relu6)
    size = w.tensor((2,), INT32, np.array([half, half], np.int32))
    large = w.operator("RESIZE_BILINEAR", [both, size], (1, half, half, 4), halfPixelCenters=True)
    wide = w.operator("PAD", [large, behind], (1, half, half, 6))
    last = w.operator("CONV_2D", [wide, w.random(2, 1, 1, 6), w.random(2)], (1, half, half, 2), padding=valid, **step)
    shape = w.tensor((2,), INT32, np.array([1, 2 * half**2], np.int32))
    flat = w.operator("RESHAPE", [last, shape], (1, 2 * half**2))
    chance = w.operator("LOGISTIC", [flat], (1, 2 * half**2))
    return w.file([image], [chance, chance, large, large, large])
