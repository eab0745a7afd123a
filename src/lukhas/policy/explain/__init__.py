"""Why a request got the answer that it got, as a record that can be decided again."""
