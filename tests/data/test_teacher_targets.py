"""A teacher's posteriors at a student's frames: other rates and offsets, playing speeds, and the files that hold them."""

import numpy as np
import pytest

from kerasrecipes.data.posterior_cache import PosteriorCache, hash_clip, hash_clips
from kerasrecipes.data.teacher_targets import FrameGrid, TeacherTargets, average_between
from kerasrecipes.errors import DataError
from kerasrecipes.layers.time_geometry import TimeGeometry, first_center

rng = np.random.default_rng(2)


def random_posteriors(frames, symbols=4):
    p = np.exp(2 * rng.normal(size=(frames, symbols)))
    return p / p.sum(axis=1, keepdims=True)


def make_targets(folder, posteriors, teacher_grid, student_grid, columns=(0, 1, 2, 3)):
    cache = PosteriorCache(folder, 64 * "0")
    with cache.lock():
        cache.append("clip", np.log(posteriors))
    return TeacherTargets(cache, ["clip"], columns, teacher_grid, student_grid)


def test_mean_between_edges_is_the_integral_of_the_step_function():
    values = rng.normal(size=(6, 2))
    edges = np.sort(rng.uniform(-2, 8, 9))
    fine = np.arange(-3000, 10000) / 1000 + 0.0005
    steps = values[np.clip(np.floor(fine).astype(int), 0, 5)]
    for mean, begin, end in zip(average_between(values, edges), edges, edges[1:], strict=False):
        np.testing.assert_allclose(mean, steps[(fine > begin) & (fine < end)].mean(axis=0), atol=2e-2)


@pytest.mark.parametrize(("step", "width"), [(0.02, 2), (0.03, 3)])  # 2:1 and 3:1, whose frames cover whole frames
def test_a_slower_student_gets_means_over_its_frames(tmp_path, step, width):
    posteriors = random_posteriors(12)
    student = FrameGrid(step / 2, step)  # both grids begin at the clip's start
    targets = make_targets(tmp_path, posteriors, FrameGrid(0.005, 0.01), student).read(0, 1.0, 12 // width)
    np.testing.assert_allclose(targets, posteriors.reshape(-1, width, 4).mean(axis=1), atol=1e-3)


def test_rates_three_to_two(tmp_path):
    """Three of the teacher's frames last as long as two of the student's."""
    posteriors = random_posteriors(9)
    targets = make_targets(tmp_path, posteriors, FrameGrid(0.01, 0.02), FrameGrid(0.015, 0.03)).read(0, 1.0, 6)
    a, b, c = posteriors[0::3], posteriors[1::3], posteriors[2::3]
    np.testing.assert_allclose(targets[0::2], (2 * a + b) / 3, atol=1e-3)
    np.testing.assert_allclose(targets[1::2], (b + 2 * c) / 3, atol=1e-3)


def test_a_faster_student_gets_each_frame_twice(tmp_path):
    posteriors = random_posteriors(5)
    targets = make_targets(tmp_path, posteriors, FrameGrid(0.02, 0.04), FrameGrid(0.01, 0.02)).read(0, 1.0, 10)
    np.testing.assert_allclose(targets, np.repeat(posteriors, 2, axis=0), atol=1e-3)


@pytest.mark.parametrize("shift", [-1.0, -0.25, 0.0, 0.25, 1.0])
def test_offsets_interpolate_and_the_ends_continue(tmp_path, shift):
    """At equal rates a student whose frames stand `shift` frames later gets the linear interpolation."""
    posteriors = random_posteriors(8)
    student = FrameGrid(0.013 + shift * 0.03, 0.03)
    targets = make_targets(tmp_path, posteriors, FrameGrid(0.013, 0.03), student).read(0, 1.0, 8)
    expected = [np.interp(np.arange(8) + shift, np.arange(8), column) for column in posteriors.T]
    np.testing.assert_allclose(targets, np.transpose(expected), atol=1e-3)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_posteriors_are_stretched_with_the_clip(tmp_path, speed):
    """A probability that is a smooth function of time is read where the faster or slower clip has that time."""
    teacher, student = FrameGrid(0.05, 0.01), FrameGrid(0.02, 0.015)
    curve = lambda t: 0.5 + 0.4 * np.sin(2 * np.pi * t)  # noqa: E731
    p = curve(teacher.first_center + np.arange(300) * teacher.step)
    targets = make_targets(tmp_path, np.stack([p, 1 - p], axis=1), teacher, student, (0, 1)).read(0, speed, 150)
    times = student.first_center + np.arange(150) * student.step
    inside = times * speed > 0.06
    np.testing.assert_allclose(targets[inside, 0], curve(times * speed)[inside], atol=3e-3)


def test_columns_are_taken_in_the_students_order(tmp_path):
    posteriors, grid = random_posteriors(5), FrameGrid(0.0, 0.01)
    targets = make_targets(tmp_path, posteriors, grid, grid, (0, 3, 1, 2)).read(0, 1.0, 5)
    np.testing.assert_allclose(targets, posteriors[:, [0, 3, 1, 2]], atol=1e-3)


def test_first_center_is_the_middle_of_the_receptive_field():
    geometries = [TimeGeometry(400, 160), TimeGeometry(13, 3, 5, 5), TimeGeometry(None), TimeGeometry(7, 2, 6, 0)]
    for frame in (0, 4):
        first = last = frame
        for g in reversed(geometries):
            field = g.receptive_field or 1
            first, last = first * g.stride - g.left, last * g.stride - g.left + field - 1
        assert first_center(geometries) + frame * 960 == (first + last) / 2


def test_file_continues_after_an_interruption(tmp_path):
    first, second = random_posteriors(7), random_posteriors(3)
    cache = PosteriorCache(tmp_path, 64 * "a")
    with cache.lock():
        cache.append("one", np.log(first))
    with open(cache.index_path, "a") as file:
        file.write('\n["two", 12')  # the process ended within the line
    with open(cache.path, "ab") as file:
        file.write(b"half of a clip")
    again = PosteriorCache(tmp_path, 64 * "a")
    assert "one" in again and "two" not in again
    with again.lock():
        again.append("two", np.log(second))
    for key, expected in (("one", first), ("two", second)):
        np.testing.assert_allclose(PosteriorCache(tmp_path, 64 * "a").read(key), expected, atol=1e-3)
    assert "one" not in PosteriorCache(tmp_path, 64 * "b")  # of another teacher
    cache.path.write_bytes(bytes(cache.path.stat().st_size))
    with pytest.raises(DataError, match=r"is damaged: delete it and a{16}\.index"):
        again.read("one")


def test_key_is_the_content(tmp_path):
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = hash_clips([str(tmp_path / name) for name in "abc"])
    assert a == b == hash_clip(str(tmp_path / "a")) and a != c
