"""The functions that `export.exact` calls, in ONNX's text form; see there what they are for."""

import numpy as np

DOMAIN = "t2a_edge.exact"
STEPS = 256  # of the tables, to one
QUERY_BITS = 8  # behind the point, of queries and keys: sums below 2^8 are exact
LEAST_BIAS = -512  # a word without weight: its share is 0 from -11 on
VALUE_BITS = 8  # of values: sums of shares of them below 8 are exact
SHARE_BITS = 13  # of softmax
POWER_BITS = 14  # of the tables: sums of 1,024 powers are exact
POWERS = 11 * STEPS  # the last one rounds to 0
LEAST_REACH = 6  # of Gelu's table: beyond, it is 0 or its argument within 1e-8
ALIGNED = 1.5 * 2.0**23  # plus this, minus this: rounded to whole numbers

BODIES = {
    # x, 1.5 * 2^23 * the unit -> whole multiples of the unit
    "Round": """(x, far) => (rounded) {
        moved = Add (x, far)
        rounded = Sub (moved, far)
    }""",
    # -> (1, POWERS) float32: exp(k / STEPS) at k = 0, -1, ...; negative ones from the end
    "Powers": f"""() => (table) {{
        zero = Constant <value = int64 {{0}}> ()
        count = Constant <value = int64 {{{POWERS}}}> ()
        back = Constant <value = int64 {{-1}}> ()
        size = Constant <value = double {{{-1 / STEPS}}}> ()
        grid = Constant <value = double {{{2**POWER_BITS}}}> ()
        axis = Constant <value_ints = [0]> ()
        down = Range (count, zero, back)
        steps = Mod (down, count)
        number = Cast <to = 11> (steps)
        exponent = Mul (number, size)
        power = Exp (exponent)
        fine = Mul (power, grid)
        whole = Round (fine)
        double = Div (whole, grid)
        single = Cast <to = 1> (double)
        table = Unsqueeze (single, axis)
    }}""",
    # bias of the keys (B, 1, 1, M), which becomes one more dimension of them -> (B, 1, M, 1)
    "Bias": f"""(bias, factor) => (column) {{
        far = Constant <value = float {{{ALIGNED * 2.0**-QUERY_BITS}}}> ()
        least = Constant <value = float {{{LEAST_BIAS}}}> ()
        steps = Constant <value = float {{{STEPS}}}> ()
        clipped = Max (bias, least)
        in_steps = Mul (clipped, steps)
        shared = Div (in_steps, factor)
        moved = Add (shared, far)
        rounded = Sub (moved, far)
        column = Transpose <perm = [0, 1, 3, 2]> (rounded)
    }}""",
    # queries (B, h, N, d), keys (B, h, M, d), column (B, 1, M, 1) -> (B, h, N, M) in units of
    # 1 / STEPS; factor has STEPS in it
    "Scores": f"""(queries, keys, column, factor) => (scores) {{
        far = Constant <value = float {{{ALIGNED * 2.0**-QUERY_BITS}}}> ()
        one = Constant <value_ints = [1]> ()
        end = Constant <value_ints = [0, 0, 0, 0, 0, 0, 0, 1]> ()
        unit = Constant <value = float {{1}}> ()
        query_moved = Add (queries, far)
        query = Sub (query_moved, far)
        wide_query = Pad (query, end, unit)
        scaled = Mul (wide_query, factor)
        key_moved = Add (keys, far)
        key = Sub (key_moved, far)
        rows = Shape <start = 0, end = 3> (keys)
        shape = Concat <axis = 0> (rows, one)
        columns = Expand (column, shape)
        wide_key = Concat <axis = 3> (key, columns)
        turned = Transpose <perm = [0, 1, 3, 2]> (wide_key)
        scores = MatMul (scaled, turned)
    }}""",
    # scores in units of 1 / STEPS -> multiples of 2^-SHARE_BITS
    "Softmax": f"""(scores, powers) => (shares) {{
        last = Constant <value_ints = [-1]> ()
        row = Constant <value_ints = [1, -1]> ()
        least = Constant <value = float {{{1 - POWERS}}}> ()
        far = Constant <value = float {{{ALIGNED * 2.0**-SHARE_BITS}}}> ()
        most = ReduceMax <keepdims = 1> (scores, last)
        below = Sub (scores, most)
        steps = Clip (below, least)
        number = Cast <to = 6> (steps)
        flat = Reshape (number, row)
        found = GatherElements <axis = 1> (powers, flat)
        shape = Shape (scores)
        power = Reshape (found, shape)
        total = ReduceSum <keepdims = 1> (power, last)
        share = Div (power, total)
        moved = Add (share, far)
        shares = Sub (moved, far)
    }}""",
    # first, end in units of 1 / STEPS -> (1, end - first) float32: the normal distribution summed
    # up by the midpoint rule, whose error is below 1e-6, times its argument
    "GeluTable": f"""(first, end) => (table) {{
        zero = Constant <value = int64 {{0}}> ()
        one = Constant <value = int64 {{1}}> ()
        size = Constant <value = double {{{1 / STEPS}}}> ()
        half = Constant <value = double {{0.5}}> ()
        least = Constant <value = double {{-0.5}}> ()
        unit = Constant <value = double {{{1 / (STEPS * np.sqrt(2 * np.pi))}}}> ()
        grid = Constant <value = double {{{2**POWER_BITS}}}> ()
        axis = Constant <value_ints = [0]> ()
        step = Range (first, end, one)
        number = Cast <to = 11> (step)
        x = Mul (number, size)
        square = Mul (x, x)
        exponent = Mul (square, least)
        power = Exp (exponent)
        density = Mul (power, unit)
        below = CumSum (density, zero)
        own = Mul (density, half)
        share = Sub (below, own)
        gelu = Mul (x, share)
        fine = Mul (gelu, grid)
        whole = Round (fine)
        double = Div (whole, grid)
        single = Cast <to = 1> (double)
        table = Unsqueeze (single, axis)
    }}""",
    # places in the table, counted from its start, rounded down
    "Gelu": """(places, table, last) => (y) {
        row = Constant <value_ints = [1, -1]> ()
        least = Constant <value = float {0}> ()
        within = Clip (places, least, last)
        number = Cast <to = 6> (within)
        flat = Reshape (number, row)
        found = GatherElements <axis = 1> (table, flat)
        shape = Shape (places)
        y = Reshape (found, shape)
    }""",
    "LayerNormalization": """(x, scale, bias, epsilon) => (y) {
        last = Constant <value_ints = [-1]> ()
        double = Cast <to = 11> (x)
        mean = ReduceMean <keepdims = 1> (double, last)
        centred = Sub (double, mean)
        squares = Mul (centred, centred)
        variance = ReduceMean <keepdims = 1> (squares, last)
        above = Add (variance, epsilon)
        deviation = Sqrt (above)
        normal = Div (centred, deviation)
        single = Cast <to = 1> (normal)
        widened = Mul (single, scale)
        y = Add (widened, bias)
    }""",
    "MatMul": """(a, b) => (y) {
        left = Cast <to = 11> (a)
        right = Cast <to = 11> (b)
        product = MatMul (left, right)
        y = Cast <to = 1> (product)
    }""",
    # a @ b @ c
    "MatMul2": """(a, b, c) => (y) {
        left = Cast <to = 11> (a)
        middle = Cast <to = 11> (b)
        right = Cast <to = 11> (c)
        first = MatMul (left, middle)
        second = MatMul (first, right)
        y = Cast <to = 1> (second)
    }""",
    "ReduceSum": """(x, axes) => (y) {
        double = Cast <to = 11> (x)
        total = ReduceSum <keepdims = 1> (double, axes)
        y = Cast <to = 1> (total)
    }""",
    "Log": """(x) => (y) {
        double = Cast <to = 11> (x)
        logarithm = Log (double)
        y = Cast <to = 1> (logarithm)
    }""",
}
