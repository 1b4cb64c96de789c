"""The program that the generated C++ is timed on, and its competitors."""
