"""How near to the truth few photons let one come who knows the sample's power spectrum.

The object is the mean of the truth plus a Gaussian field with the truth's own power spectrum;
its most probable state under Poisson counts is looked for from the truth. No method starts
there, or is told that spectrum: what is left is an estimate of what cannot be had without
knowing more of a sample than how strong its frequencies are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from figures import Figure, line
from quality_judge import make_problem
from suite import CASES
from torch import Tensor

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.prepare import Prepared
    from napari_ptychonn.simulation.truth import Truth

_LOW_DOSE = ("camera-coins-1e3", "camera-coins-1e2", "brick-grass-1e3", "brick-grass-1e2")
_TURNS = 300
_RINGS = 120
_DARK = 1e-3


def bound(name: str) -> Iterator[Figure]:
    """NRMSE of a flat object, of the network alone, and of what no method is told."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.prepare import prepare
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    scan, truth = CASES[name].make()
    judge = make_problem(scan, truth, 1.0).judge
    network = load_network("ptychonn-probe", device=torch.device("cpu"))
    settings = ReconstructionSettings(device="cpu", sweeps=0)
    result = reconstruct(scan, settings, network=network)
    corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
    prepared = prepare(scan, replace(settings, passes=1), network)
    object_ = _true_object(prepared, truth)
    mean = torch.full_like(object_, complex(object_.mean()))
    best = _from_the_truth(prepared, object_)
    for said, found in (("flat", mean.numpy()), ("network alone", result.object),
                        ("from the truth, spectrum known", best.numpy())):  # fmt: skip
        yield Figure(name, said, judge.error(found, corner))


def _true_object(prepared: Prepared, truth: Truth) -> Tensor:
    """The truth on the job's frame; its mean where it ends."""
    from napari_ptychonn.reconstruction.placed import object_on
    from napari_ptychonn.scan.results.result import ObjectResult

    pixel = truth.pixel_m
    laid = ObjectResult(truth.object, (pixel, pixel), "m", truth.corner_m, Path(), "truth")
    found, known = object_on(laid, prepared.frame, prepared.pixel)
    return torch.where(known, found, found[known].mean()).to(torch.complex64)


def _from_the_truth(prepared: Prepared, object_: Tensor) -> Tensor:
    """The most probable object near the truth, (H, W) complex64."""
    from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector
    from napari_ptychonn.optics.windows import cut_windows

    frame, measurements, probe = prepared.frame, prepared.measurements, prepared.probes[0]
    points = torch.arange(frame.n_points)
    counts, indices = measurements.counts(points, points), frame.indices(points)
    mean = object_.mean()
    fields = torch.view_as_real(object_ - mean).permute(2, 0, 1)
    scale = torch.stack([_spectrum(field) for field in fields]).sqrt()

    def coloured(white: Tensor) -> Tensor:
        real, imaginary = torch.fft.irfft2(torch.fft.rfft2(white) * scale, s=frame.shape)
        return mean + torch.complex(real, imaginary)

    white = torch.fft.irfft2(torch.fft.rfft2(fields) / scale, s=frame.shape).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [white], max_iter=_TURNS, history_size=20, line_search_fn="strong_wolfe"
    )

    def missed() -> Tensor:
        optimizer.zero_grad()
        far = to_detector(exit_waves(probe, cut_windows(coloured(white), indices)))
        expected = intensity(far) + _DARK
        unlikely = ((expected - counts * expected.log()) * measurements.mask).sum()
        value: Tensor = unlikely + 0.5 * white.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(missed)
    return coloured(white).detach()


def _spectrum(field: Tensor) -> Tensor:
    """Mean power (H, W // 2 + 1) of a field's frequencies that are as high."""
    height, width = field.shape
    power = torch.fft.rfft2(field).abs().square() / field.numel()
    height_of = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    rings = (height_of * _RINGS).round().long()
    sums = torch.zeros(2, int(rings.max()) + 1)
    sums[0].index_add_(0, rings.flatten(), power.flatten())
    sums[1].index_add_(0, rings.flatten(), torch.ones(rings.numel()))
    return (sums[0] / sums[1].clamp_min(1))[rings].clamp_min(1e-7)


def main() -> None:
    """Print the figures of scans with few photons."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default: {', '.join(_LOW_DOSE)}")
    torch.set_num_threads(1)
    for name in parser.parse_args().cases or _LOW_DOSE:
        if name not in CASES:
            parser.error(f"no case {name}; there are {', '.join(sorted(CASES))}")
        for figure in bound(name):
            print(line(figure), flush=True)


if __name__ == "__main__":
    main()
