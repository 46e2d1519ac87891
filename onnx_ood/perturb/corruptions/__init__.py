"""Corruptions of pictures. Importing this package registers all of them.

To add one, define it with `@register_corruption` in the module it belongs to, after those of its family.
"""

# The order of imports is that of names in each family, on which random draws depend.
from onnx_ood.perturb.corruptions import pixel_noise  # noqa: F401, I001
from onnx_ood.perturb.corruptions import blurs  # noqa: F401
from onnx_ood.perturb.corruptions import synthetic_ood  # noqa: F401
from onnx_ood.perturb.corruptions import weather  # noqa: F401
from onnx_ood.perturb.corruptions import digital  # noqa: F401
from onnx_ood.perturb.corruptions import overlays  # noqa: F401
from onnx_ood.perturb.corruptions import pseudo_ood  # noqa: F401
from onnx_ood.perturb.corruptions import mild  # noqa: F401
