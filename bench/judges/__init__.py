"""Judges of pictures that have never taught a generator, nor been taught by one.

`network` is a small classifier of forms, trained by `task` on the `lessons` that the studio gives;
the other judges measure in its features. `pictures` says where pictures and their words come from.
`shown`: whether pictures show the forms that their words name. `distance`: how far two sets of
pictures lie apart. `nearest`: the nearest training picture of each, whether anything was copied.
"""
