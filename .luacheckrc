std = "luajit"
max_line_length = 132
max_comment_line_length = false -- an annotation cannot be broken
files["tests/lua"].std = "+busted"
files["tests/flow"].globals = { "flow" }
files["tests/flow"].read_globals = { "core" }
