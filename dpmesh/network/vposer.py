"""The decoder of VPoser v1: a 32-number pose code to the rotations of 21 body joints."""

from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.network.heads import rot6d_to_matrix

BODY_JOINTS = 21


class VPoserDecoder(nn.Module):
    """Frozen prior of the released network. Its weights are licence-gated and part of the authors' checkpoints.

    Its dropout layer is never active: the published network keeps the prior in evaluation mode.
    """

    def __init__(self, code: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(code, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, BODY_JOINTS * 6)
        self.requires_grad_(False)

    def forward(self, code: Tensor) -> Tensor:
        """Return rotations (R, 21, 3, 3) of codes (R, code)."""
        hidden = F.leaky_relu(self.fc1(code), 0.2)
        hidden = F.leaky_relu(self.fc2(hidden), 0.2)
        return rot6d_to_matrix(self.out(hidden).unflatten(-1, (BODY_JOINTS, 6)))
