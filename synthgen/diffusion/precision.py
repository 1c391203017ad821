"""Which floating-point format is fast on a device.

dtype = torch.bfloat16 if bf16_is_fast() else torch.float32
"""

import torch


def bf16_is_fast() -> bool:
    """Whether bfloat16 runs on hardware made for it (CUDA since Ampere, AVX512-BF16, AMX), not emulated."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
