"""One typed settings tree, where its values come from, and what is wrong with them."""
