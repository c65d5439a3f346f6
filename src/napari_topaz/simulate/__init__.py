r"""Simulated micrographs with known truth, for the demo, sample data, benchmarks and tests.

Lengths are in pixels unless a name says Å or µm.

**Object.** Particles, fragments of them, contaminations and the grain of the ice shift the phase of the
electron wave by φ(y, x): their projected densities times a constant. There is no atomic model behind it.

**Image.** In the weak phase approximation the relative intensity is 1 + c with, for spatial frequencies k,

    C(k) = −2 sin(γ(k)) exp(−B k² / 4) Φ(k)
    γ(k) = π λ Δf(α) k² − (π / 2) Cs λ³ k⁴ + asin(A)
    Δf(α) = Δf + (astigmatism / 2) cos(2 (α − α₀))

(Williams & Carter, *Transmission Electron Microscopy*, ch. 28; convention and astigmatism as in Rohou &
Grigorieff, *J. Struct. Biol.* 192, 216 (2015), eqs. 1-5: underfocus Δf is positive, A is the amplitude
contrast). λ is 0.0197 Å (300 kV), Cs 2.7 mm, A 0.1. Δf is uniform between the smallest and the largest
underfocus, and one for the micrograph. Dense things look dark at low frequencies.

**Absorption.** The intensity is multiplied by what uneven ice (tilted and bowl-shaped, slowly changing),
the edge of the carbon film and gold beads let through.

**Counting.** Each pixel is a Poisson number with the mean dose × pixel area × intensity; above 30 electrons
per pixel a Gaussian of the same mean and variance stands in for it. Hot pixels come last.

**Left out.** Strong phases (gold is taken as absorbing with a small phase), inelastic scattering, Ewald
curvature, tilt, drift and charging, the detector's own transfer function and the radiation damage in the
course of the exposure, solvent displaced by the particles; particles do not shade one another.

**Random numbers.** A micrograph depends on the settings and its index alone. What was added to the
simulator later draws from generators of its own, so it changes nothing where it is not asked for.
"""

from napari_topaz.simulate.micrographs import simulate

__all__ = ["simulate"]
