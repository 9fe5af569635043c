"""What bench/load/run is made of: peers side by side, a load on each in turn, and figures from it."""
