"""The colour map magma: pictures of one channel in colours that brighten evenly.

By Nathaniel Smith and Stéfan van der Walt, released under CC0: https://github.com/BIDS/colormap
"""

import sys
from base64 import b85decode
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TABLE: Final = (
    "0009300aO41_1yE0RagC0Sf{G4FUoW0|OBR0}})U6$Jzr1_c=h1sezk9SH{?3I`$!2qX*%CJhQG4hkv{3oH-"
    "}FA)qe5)CsH4K)=GI2H~%7Y{rb4?h|ZK^qW691unx5J?{qOCS+VA`ws{5mF@)RVEQvC=ppI5nL+~UM&z{FA!od5M?qDXEYFKH4kbx4{SLPZaWWeJP&a`4{|^"
    "cb3zYvLl1RD4|YcncSsO;N)UNV5P3}zdQTC1P!fAm5`0q=d{q;DR}_6%6@FS3ep?oPT^D{{7k^+Fe_<GZV;O&C8h~aRfM^?lX&iuS9Dr;cfNmavZytehAAxf"
    "pfpj2&b|HaxA%S@!fqEi=d?SH=B!Pb<fq^A~f+c~3CV_<}frlr7i70`JD1nSAfQ>1Dk1BwXDu9wJfRrnMl`MdlEPt6Tf0`|SoGyQ!E`FacexWaZqcDD?Fny*"
    "meWx*fsWN=4GkmNwd#*HlurzzIHF~o(dbKurwl;aVH+Z=>c)K`vy*YQjId;H0b;3Gz!#i}vJaoo9bI3h%%06<-K5@-"
    "IaLzz*&_Qp}LT=MSZPY_;)<kUAMQhncYT8F>+(>ENNod|mXW&a_;Y?=YO=aXxWaUs}=22qjQex;-Vd_<2>sDawSYPc~U+!C8?p<B)US05DUGZUD@?%`{WnA-"
    "TTl8pK^=e!7Y+LqjTlR2U_i<bIb6og!T=;if`FULVdtLc`UHX4s`hZ^gf?xZDVEcw(`-oxtiemhXWBiU|{E%e)l4bmpX8o0C{g-I{nQ8r-YW<yS{hw_8p>F-"
    "6Z~dfj{-$yMsB`|RbpEV${;qcZuXz5kdH%C|{<VDmw|)M(fBw6G{=9<zzJvb2h5o{Z{=|s>#)<yNi~h-t{>zU2&5-"
    "@ilKs(>{nC~F)R+C%nElwA{o0)U+@1a1pZ(vV{o$kh<E8xNru^op{OGFu>a6_iuKez>{P3~-@w5E%wfyzB`}eu~`Mdl2z5D#X"
)
COLOURS: Final[NDArray[np.uint8]] = np.frombuffer(b85decode(_TABLE), np.uint8).reshape(256, 3)
"""(256, 3), from the darkest to the brightest."""
_there: Final[dict[Any, Any]] = {}


def coloured(grey: Any) -> Any:
    """(…, H, W) to (…, 3, H, W) uint8: floating point from 0, dark, to 1; whole numbers from 0 to 255. A tensor stays where it
    lies."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(grey, torch.Tensor):
        return _coloured_tensor(torch, grey)
    grey = np.asarray(grey)
    if grey.dtype.kind == "f":
        grey = np.nan_to_num(np.clip(grey.astype(np.float32) * 256.0, 0.0, 255.0))
    return np.moveaxis(COLOURS[np.clip(grey, 0, 255).astype(np.uint8)], -1, -3)


def _coloured_tensor(torch: Any, grey: Any) -> Any:
    table = _there.get(grey.device)
    if table is None:
        table = _there[grey.device] = torch.from_numpy(COLOURS.copy()).to(grey.device, non_blocking=True)
    if grey.is_floating_point():
        grey = (grey.float() * 256.0).clamp(0.0, 255.0).nan_to_num()
    return table[grey.clamp(0, 255).long()].movedim(-1, -3)
