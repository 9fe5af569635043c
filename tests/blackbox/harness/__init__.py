"""What the black-box tests stand on: the proxy under test as a real process, origins, clients, certificates.

Everything here is started by a test run, listens on loopback and is ended by its process id.
"""
