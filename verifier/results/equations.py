"""The equations that a report names by their ids, in the order of backpropagation, and the update after them."""

EQUATIONS = {
    "forward": "zˡ = Wˡ aˡ⁻¹ + bˡ; aˡ = σ(zˡ)",
    "loss": "L",
    "output-delta": "δᴸ = ∇ₐL ⊙ σ'(zᴸ)",
    "hidden-delta": "δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ)",
    "weight-gradient": "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ",
    "bias-gradient": "∂L/∂bˡ = δˡ",
    "update": "Wˡ ← Wˡ − η ∂L/∂Wˡ",
}
