"""One file or more of every registered format, each with the name it is known by."""

import numpy as np
import scan_beamline_files as beamline
import scan_cxi_files as cxi
import scan_exchange_files as exchange
import scan_npz_files as npz
from scan_world import tike_arrays, write_cxi, write_plain, write_ptychi


def write_tike_npz(path, world):
    np.savez(path, **tike_arrays(world))
    return path


# Name, the file's ending, its writer, the format, and the less specific ones that fit, too.
WRITERS = [
    ("cxi", "cxi", write_cxi, "CXI", set()),
    ("pynx", "cxi", cxi.write_pynx, "CXI", set()),
    ("cdtools", "cxi", cxi.write_cdtools, "CXI", set()),
    ("nxcxi", "nxs", cxi.write_nxcxi, "NXcxi_ptycho", {"CXI"}),
    ("diamond", "nxs", cxi.write_diamond, "NXcxi_ptycho", set()),
    ("ptyd", "ptyd", cxi.write_ptyd, "ptypy .ptyd", set()),
    ("ptyd-linked", "ptyd", lambda p, w: cxi.write_ptyd(p, w, link=True), "ptypy .ptyd", set()),
    ("pty-chi-dp", "", lambda p, w: write_ptychi(p.parent, w)[0], "pty-chi", set()),
    ("pty-chi-para", "", lambda p, w: write_ptychi(p.parent, w)[1], "pty-chi", set()),
    (
        "fold_slice",
        "",
        lambda p, w: exchange.write_fold_slice(p.parent, w, 1e-8)[0],
        "fold_slice",
        set(),
    ),
    (
        "fold_slice-dp",
        "",
        lambda p, w: exchange.write_fold_slice(p.parent, w, 1e-8, pair=True)[0],
        "fold_slice",
        {"pty-chi"},
    ),
    (
        "fold_slice-para",
        "",
        lambda p, w: exchange.write_fold_slice(p.parent, w, 1e-8, pair=True)[1],
        "fold_slice",
        set(),
    ),
    ("ptylab", "hdf5", exchange.write_ptylab, "PtyLab", set()),
    (
        "ptylab-matlab",
        "hdf5",
        lambda p, w: exchange.write_ptylab(p, w, matlab=True),
        "PtyLab",
        set(),
    ),
    ("hxn", "h5", exchange.write_hxn, "NSLS-II HXN", set()),
    ("nsls-export", "h5", exchange.write_export, "NSLS-II style 1", set()),
    (
        "nsls-export-entry",
        "h5",
        lambda p, w: exchange.write_export(p, w, frames="/entry/data/data"),
        "NSLS-II style 1",
        set(),
    ),
    ("nsls-matlab", "mat", exchange.write_nsls_matlab, "NSLS-II MATLAB", set()),
    ("nsls-matlab-5", "mat", exchange.write_nsls_matlab_5, "NSLS-II MATLAB", set()),
    (
        "velociprobe",
        "",
        lambda p, w: beamline.write_velociprobe(p.parent, w),
        "Velociprobe (Eiger master)",
        set(),
    ),
    ("lynx", "h5", beamline.write_lynx, "LYNX", set()),
    ("csaxs", "h5", beamline.write_csaxs, "cSAXS", {"/entry/data/data"}),
    ("cssi", "h5", beamline.write_cssi, "9-ID CSSI", set()),
    ("polar", "", lambda p, w: beamline.write_polar(p.parent, w), "4-ID Polar", set()),
    (
        "polar-group",
        "",
        lambda p, w: beamline.write_polar(p.parent, w, to_group=True),
        "4-ID Polar",
        set(),
    ),
    ("nanomax", "h5", beamline.write_nanomax, "NanoMAX", set()),
    ("xpp", "h5", beamline.write_xpp, "LCLS XPP", set()),
    (
        "frames",
        "h5",
        lambda p, w: beamline.write_frames(p, w.patterns),
        "/entry/data/data",
        set(),
    ),
    (
        "frames-of-a-line",
        "",
        lambda p, w: beamline.write_lines(p.parent, w)[0],
        "/entry/data/data",
        set(),
    ),
    ("ptychopinn", "npz", npz.write_ptychopinn, "PtychoPINN", set()),
    (
        "ptychopinn-diffraction",
        "npz",
        lambda p, w: npz.write_ptychopinn(p, w, name="diffraction", last=True),
        "PtychoPINN",
        set(),
    ),
    ("ptychonn-reciprocal", "npz", npz.write_reciprocal, "PtychoNN npz", set()),
    ("ptychonn-raster", "npz", npz.write_raster, "PtychoNN npz", set()),
    ("ptychodus", "npz", npz.write_ptychodus_patterns, "ptychodus patterns", set()),
    ("tike-npz", "npz", write_tike_npz, "tike", set()),
    ("tike-h5", "h5", lambda p, w: write_plain(p, **tike_arrays(w)), "tike", set()),
    (
        "any",
        "h5",
        lambda p, w: write_plain(p, dp=w.patterns, positions=w.positions_px),
        "datasets by name",
        set(),
    ),
]
