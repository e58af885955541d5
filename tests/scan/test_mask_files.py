"""Masks are read from every kind of file that has them, and what is written is read back."""

import h5py
import numpy as np
import pytest
from PIL import Image
from tifffile import TiffFile, imwrite

from napari_ptychonn.errors import OutputError, ScanError
from napari_ptychonn.scan.mask_files import MASK_ENDINGS, read_mask, write_mask


@pytest.fixture
def mask():
    return np.random.default_rng(0).random((20, 31)) < 0.8


@pytest.mark.parametrize("ending", MASK_ENDINGS)
def test_what_is_written_is_read_back(tmp_path, mask, ending):
    path = tmp_path / f"mask{ending}"
    write_mask(path, mask)
    read, used = read_mask(path)
    np.testing.assert_array_equal(read, mask)
    assert path.name in used
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_image_that_a_person_painted_in_colour_is_read(tmp_path, mask):
    colour = np.zeros((*mask.shape, 3), np.uint8)
    colour[~mask] = (255, 0, 0)
    Image.fromarray(colour).save(tmp_path / "painted.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "painted.png")[0], mask)


def test_a_palette_with_a_transparent_colour_is_read_without_a_word(tmp_path, mask, recwarn):
    painted = Image.fromarray(np.where(mask, 0, 200).astype(np.uint8)).convert("P")
    painted.save(tmp_path / "painted.png", transparency=bytes([255, 128]))
    np.testing.assert_array_equal(read_mask(tmp_path / "painted.png")[0], mask)
    assert not recwarn.list


def test_a_png_that_claims_a_gigabyte_is_refused_before_it_is_unpacked(tmp_path):
    Image.new("L", (9000, 8000)).save(tmp_path / "wide.png")
    with pytest.raises(ScanError, match="claims 9000 × 8000 pixels"):
        read_mask(tmp_path / "wide.png")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_lacks_a_part_is_refused_and_not_filled_with_good_pixels(
    tmp_path, mask, compression, caplog
):
    path = tmp_path / "mask.tif"
    imwrite(path, (~mask).astype(np.uint8), rowsperstrip=4, compression=compression)
    np.testing.assert_array_equal(read_mask(path)[0], mask)
    with TiffFile(path) as tiff:
        counts = tiff.pages[0].tags["StripByteCounts"]
        place, number = counts.offset, counts.count
    data = bytearray(path.read_bytes())
    data[place + 4 : place + 8] = (number - 2).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ScanError, match=f"of {number} parts of the picture {number - 2} are"):
        read_mask(path)
    assert not caplog.records


def test_a_dataset_is_chosen_or_found(tmp_path, mask):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file["a/pixels"] = ~mask
        file["b/other"] = np.ones((5, 5))
    np.testing.assert_array_equal(read_mask(f"{path}:/a/pixels")[0], mask)
    with pytest.raises(ScanError, match=r"many.h5:/DATASET among /a/pixels, /b/other"):
        read_mask(path)
    with h5py.File(path, "a") as file:
        file["c/mask"] = ~mask
    np.testing.assert_array_equal(read_mask(path)[0], mask)


@pytest.mark.parametrize("name", ["mask.npy", "mask.tif", "mask.png", "mask.h5"])
def test_a_file_that_is_no_mask_is_one_clear_error(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(ScanError, match="no such file"):
        read_mask(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ScanError):
        read_mask(path)


def test_a_stack_is_no_mask(tmp_path):
    np.save(tmp_path / "mask.npy", np.zeros((3, 4, 5)))
    with pytest.raises(ScanError, match=r"shape \(3, 4, 5\)"):
        read_mask(tmp_path / "mask.npy")


def test_where_nothing_can_be_written_the_error_says_so(tmp_path, mask):
    with pytest.raises(OutputError, match="ending"):
        write_mask(tmp_path / "mask.doc", mask)
    with pytest.raises(OutputError, match="cannot be written"):
        write_mask(tmp_path / "nowhere" / "mask.npy", mask)
