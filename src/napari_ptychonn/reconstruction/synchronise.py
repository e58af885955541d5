"""One unit phase per patch, so that overlapping patches agree.

A pattern does not fix its patch's global phase; overlaps do (angular synchronisation,
Singer 2011, doi:10.1016/j.acha.2010.02.001; for ptychography Marchesini et al. 2016,
doi:10.1107/S1600576716008074). Maximised is Σ_x |Σ_j w_j s_j* O_j(x)|² / Σ_j w_j(x). Power
iterations alone settle neighbours at once and a whole scan hardly ever; so neighbours
are merged into groups, groups into larger ones, and the few that are left are solved
exactly before the phases are refined on the way back. Where patches overlap little, that
may leave vortices, which no local step can undo: the leading eigenvector of the whole,
started from there, has none, and Newton's method settles the rest. Patches enter as means over
cells of a few pixels that lie alike on the object for all of them, which keeps the linear
algebra small. Their light weighs the cells, and not the pixels inside one: patches lit from
two sides would see the structure of a cell differently, and the little that this turns each
of them adds up over a scan (the phase SSIM of 161×61 exact patches was 0.59).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.sparse import csr_array, diags_array, vstack
from scipy.sparse.linalg import cg
from torch import Tensor

from napari_ptychonn.reconstruction.frame import Frame

__all__ = ["cell_rows", "cell_size", "synchronise"]

_FAINT = 0.02
_GROUP = 16
_POWER_ITERATIONS = 10
_NEWTON_STEPS = 6
_TURN_TOLERANCE = 1e-3
_GROUND = 1e-6
_LANCZOS_VECTORS = 40
_MOST_RESTARTS = 12
_EIGEN_TOLERANCE = 1e-4
_SPENT = 1e-5


def cell_size(n_points: int, patch_shape: tuple[int, int]) -> int:
    """Side of a cell, pixels: 2, or as many as keep the matrix under 3 million entries."""
    entries = n_points * patch_shape[0] * patch_shape[1]
    return int(np.clip(np.ceil(np.sqrt(entries / 3e6)), 2, patch_shape[0] // 4))


def cell_rows(patches: Tensor, weight: Tensor, frame: Frame, cell: int) -> csr_array:
    """Means of patches over the cells of the object, weighted with the light there.

    Parameters
    ----------
    patches : Tensor, (B, h, w) complex
        Patches O_j.
    weight : Tensor, (B, h, w) float
        Weights w_j.
    frame : Frame
        Their places, B points.
    cell : int
        Side of a cell, pixels.

    Returns
    -------
    csr_array, (B, cells) complex64
        Mean of O_j over every cell, times the root of Σ w_j; cells where a patch has
        under 2 % of its brightest cell's light are left out.
    """
    batch, height, width = patches.shape
    tall, wide = height // cell + 2, width // cell + 2
    corners = frame.corners
    inner = corners % cell
    rows = (torch.arange(height, device=patches.device) + inner[:, :1]) // cell
    columns = (torch.arange(width, device=patches.device) + inner[:, 1:]) // cell
    local = rows[:, :, None] * wide + columns[:, None, :]
    local = local + torch.arange(batch, device=patches.device)[:, None, None] * (tall * wide)
    sums = torch.zeros(batch * tall * wide, dtype=patches.dtype, device=patches.device)
    sums.index_add_(0, local.reshape(-1), patches.reshape(-1))
    light = torch.zeros(batch * tall * wide, device=patches.device)
    light.index_add_(0, local.reshape(-1), weight.expand_as(patches).reshape(-1))
    light = light.view(batch, -1)
    bright = light > _FAINT * light.amax(1, keepdim=True)
    across = frame.shape[1] // cell + 2
    first = (corners[:, 0] // cell) * across + corners[:, 1] // cell
    steps = torch.arange(tall, device=patches.device)[:, None] * across
    places = (first[:, None, None] + steps + torch.arange(wide, device=patches.device)).view(
        batch, -1
    )
    pointers = np.concatenate(([0], bright.sum(1).cumsum(0).cpu().numpy()))
    n_cells = (frame.shape[0] // cell + 3) * across
    # Cells cut by the patch's edge have fewer pixels, and so count less.
    values = sums.view(batch, -1)[bright] * light[bright].sqrt() / cell**2
    return csr_array(
        (values.cpu().numpy(), places[bright].cpu().numpy(), pointers), shape=(batch, n_cells)
    )


def synchronise(
    rows: list[csr_array], order: NDArray[np.intp], fixed: NDArray[np.complex64] | None = None
) -> NDArray[np.complex64]:
    """Solve for the phases.

    Parameters
    ----------
    rows : list of csr_array
        What :func:`cell_rows` gave for consecutive batches, M rows in all.
    order : ndarray, (M,) intp
        The patches in an order in which neighbours stand together.
    fixed : ndarray, (K,) complex64, optional
        Phases of the first K patches, which were solved before and stay.

    Returns
    -------
    ndarray, (M,) complex64
        Unit phases s_j; patch j is to be multiplied by s_j*.
    """
    matrix = _overlapping_part(vstack(rows, format="csr") if len(rows) > 1 else rows[0])
    agreement = (matrix @ matrix.conj().T.tocsr()).tocsr()
    # A patch's agreement with itself would only hold it back.
    agreement.setdiag(0)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    phases = _spectral(agreement, _solve(agreement[order][:, order])[back])
    if fixed is None:
        return _newton(agreement, _refine(agreement, phases, 0), 0)
    turn = np.vdot(phases[: len(fixed)], fixed)
    phases = _unit(phases * (turn if abs(turn) > 0 else 1), phases)
    phases[: len(fixed)] = fixed
    return _newton(agreement, _refine(agreement, phases, len(fixed)), len(fixed))


def _overlapping_part(matrix: csr_array) -> csr_array:
    """Divide every column by the root of how many patches share it; drop unshared ones."""
    shared = np.bincount(matrix.indices, minlength=matrix.shape[1])
    scale = np.where(shared > 1, 1 / np.sqrt(np.maximum(shared, 1)), 0).astype(np.float32)
    data = matrix.data * scale[matrix.indices]
    return csr_array((data, matrix.indices, matrix.indptr), matrix.shape)


def _solve(agreement: csr_array) -> NDArray[np.complex64]:
    """Phases of patches in spatial order, from coarse to fine."""
    n_points = agreement.shape[0]
    if n_points <= 2 * _GROUP:
        return _leading(agreement.toarray()[None])[0]
    n_groups = -(-n_points // _GROUP)
    group = np.arange(n_points) // _GROUP
    links = agreement.tocoo()
    row, column = links.coords
    same = group[row] == group[column]
    blocks = np.zeros((n_groups, _GROUP, _GROUP), np.complex64)
    blocks[group[row[same]], row[same] % _GROUP, column[same] % _GROUP] = links.data[same]
    inside = _leading(blocks).reshape(-1)[:n_points]
    merge = csr_array((inside, (np.arange(n_points), group)), shape=(n_points, n_groups))
    coarse = (merge.conj().T @ agreement @ merge).tocsr()
    coarse.setdiag(0)
    phases = inside * _solve(coarse)[group]
    return _refine(agreement, phases, 0)


def _spectral(agreement: csr_array, start: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Phases of the leading eigenvector of all patches, or `start` where those agree more."""
    n_points = len(start)
    if n_points <= 2 * _GROUP:
        return start
    degree = np.maximum(abs(agreement).sum(1), np.finfo(np.float32).tiny)
    scale = (1 / np.sqrt(degree)).astype(np.float32)
    between = scale[agreement.indices] * np.repeat(scale, np.diff(agreement.indptr))
    scaled = csr_array(
        (agreement.data * between, agreement.indices, agreement.indptr), agreement.shape
    )
    leading = start / scale
    for _ in range(_MOST_RESTARTS):
        leading, left = _lanczos(scaled, leading)
        if left < _EIGEN_TOLERANCE:
            break
    leading = leading * scale
    # Parts of a scan that do not touch have eigenvectors of their own, and are faint here.
    seen = np.abs(leading) > _FAINT * np.abs(leading).max()
    found = _refine(agreement, np.where(seen, _unit(leading, start), start), 0)
    start = _refine(agreement, start, 0)
    return max((start, found), key=lambda phases: np.vdot(phases, agreement @ phases).real)


def _lanczos(
    matrix: csr_array, start: NDArray[np.complex64]
) -> tuple[NDArray[np.complex64], float]:
    """Vector of largest Rayleigh quotient in a Krylov space, and its residual.

    Unlike ARPACK's, it never draws random numbers, and a zero matrix gives `start`.
    """
    basis = np.empty((min(_LANCZOS_VECTORS, len(start)), len(start)), np.complex64)
    basis[0] = start / np.linalg.norm(start)
    diagonal, beside = [], []
    for size in range(1, len(basis) + 1):
        image = matrix @ basis[size - 1]
        diagonal.append(np.vdot(basis[size - 1], image).real)
        for _ in range(2):
            image = image - (basis[:size].conj() @ image) @ basis[:size]
        rest = float(np.linalg.norm(image))
        if size == len(basis) or rest < _SPENT:
            break
        beside.append(rest)
        basis[size] = image / rest
    _, vectors = eigh_tridiagonal(diagonal, beside, select="i", select_range=(size - 1, size - 1))
    leading = vectors[:, 0].astype(np.float32)
    return leading @ basis[:size], rest * abs(float(leading[-1]))


def _leading(blocks: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Unit phases (G, n) of the leading eigenvectors of Hermitian blocks (G, n, n)."""
    degree = np.maximum(np.abs(blocks).sum(2), np.finfo(np.float32).tiny)
    scale = 1 / np.sqrt(degree)
    _, vectors = np.linalg.eigh(blocks * scale[:, :, None] * scale[:, None, :])
    leading = vectors[:, :, -1]
    return _unit(leading, np.ones_like(leading))


def _refine(
    agreement: csr_array, phases: NDArray[np.complex64], n_fixed: int
) -> NDArray[np.complex64]:
    """Generalised power iterations: every patch turns to what its neighbours say."""
    for _ in range(_POWER_ITERATIONS):
        turned = _unit(agreement @ phases, phases)
        turned[:n_fixed] = phases[:n_fixed]
        change = np.abs(turned - phases).max()
        phases = turned
        if change < _TURN_TOLERANCE:
            break
    return phases


def _newton(
    agreement: csr_array, phases: NDArray[np.complex64], n_fixed: int
) -> NDArray[np.complex64]:
    """Newton's method on the phases: smooth errors, which power iterations leave, go at once.

    With s_j e^{iδ_j}, Σ s_j* H_jk s_k is largest where L δ = Im(s_j* (H s)_j), and L is the
    Laplacian of the graph with weights Re(s_j* H_jk s_k).
    """
    rows = np.repeat(np.arange(agreement.shape[0]), np.diff(agreement.indptr))
    free = slice(n_fixed, None)
    best, kept = -np.inf, phases
    for _ in range(_NEWTON_STEPS + 1):
        turned = phases.astype(np.complex128)
        links = turned[rows].conj() * agreement.data * turned[agreement.indices]
        agreed = float(links.real.sum())
        if not agreed > best:
            break
        best, kept = agreed, phases
        # A link that still disagrees would make L indefinite; it must not push.
        weights = np.maximum(links.real, 0)
        graph = csr_array((weights, agreement.indices, agreement.indptr), agreement.shape)
        degree = np.maximum(graph.sum(1), np.finfo(np.float32).tiny)
        # L does not see a turn of everything, and rounding must not become one.
        laplacian = (diags_array((1 + _GROUND) * degree) - graph).tocsr()[free, free]
        uphill = np.bincount(rows, links.imag, len(phases))[free]
        step, _ = cg(laplacian, uphill, rtol=1e-3, maxiter=500, M=diags_array(1 / degree[free]))
        step = np.clip(step - (0 if n_fixed else step.mean()), -1, 1)
        phases = phases.copy()
        phases[free] *= np.exp(1j * step).astype(np.complex64)
        if np.abs(step).max(initial=0) < _TURN_TOLERANCE:
            return phases
    return kept


def _unit(
    values: NDArray[np.complexfloating], otherwise: NDArray[np.complex64]
) -> NDArray[np.complex64]:
    size = np.abs(values)
    # Below this a quotient of two numbers may overflow.
    told = size > np.finfo(np.float32).tiny
    return np.where(told, values / np.where(told, size, 1), otherwise).astype(np.complex64)
