"""`backprop` is a number."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# ///

backprop = 3
