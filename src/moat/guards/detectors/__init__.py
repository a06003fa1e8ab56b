"""One detector each; `moat.guards.detector.REGISTERED` names them."""
