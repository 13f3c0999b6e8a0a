# /// script
# [tool.verifier]
# contract = "layer"
# arrays = { mu = "N Z", logvar = "N Z" }
# setup = "vae = VAE()"
# forward = "z, kl = vae.forward(mu, logvar)"
# backward = "dmu, dlogvar = vae.backward(dz, dkl)"
# ///
"""The half of exp(logvar / 2) is lost on the way back through z; the divergence is right."""

import numpy as np


class VAE:
    def forward(self, mu, logvar):
        self.mu, self.logvar = mu, logvar
        self.noise = np.random.standard_normal(size=mu.shape)
        self.deviation = np.exp(0.5 * logvar)
        return mu + self.deviation * self.noise, -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))

    def backward(self, dz, dkl):
        dlogvar = dz * self.noise * self.deviation + dkl * 0.5 * (np.exp(self.logvar) - 1)
        return dz + dkl * self.mu, dlogvar
