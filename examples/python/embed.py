from t2a_edge import TextToArt

engine = TextToArt()
art = engine.generate("warm dark fluid", seed=7)
art.save("art.png")
