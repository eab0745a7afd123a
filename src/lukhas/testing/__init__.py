"""The test kit: what the tests of this project, of its plugins and of its users stand on."""
