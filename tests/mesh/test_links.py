"""Who is whose neighbour on a mesh."""

from __future__ import annotations

import numpy as np

from stages.artifacts.links import graph_laplacian, neighbour_mean, vertex_links

FACES = np.array([[0, 1, 2], [2, 1, 3]])  # vertex 4 is in none
LINKS = np.array([[0, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 1, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])


def test_an_edge_is_one_link_however_many_triangles_share_it() -> None:
    np.testing.assert_array_equal(vertex_links(FACES, 5).toarray(), LINKS)


def test_means_and_differences_are_over_the_neighbours() -> None:
    links, values = vertex_links(FACES, 5), np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    np.testing.assert_allclose(neighbour_mean(links) @ values, [3, 13 / 3, 11 / 3, 3, 0])
    np.testing.assert_allclose(graph_laplacian(links) @ values, [2 * 1 - 6, 3 * 2 - 13, 3 * 4 - 11, 2 * 8 - 6, 0])
