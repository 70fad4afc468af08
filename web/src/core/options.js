// What a picture is asked for with, and the numbers that fit. Written by `python -m web.options`
// from t2a_edge/request.py; change it there.
export const OPTIONS = {
  count: { called: "The count", least: 1, most: 1000, whole: true, flag: "--count", usual: 1, help: "How many pictures, 1 to 1000." },
  seed_step: { called: "The seed step", least: 1, most: 9007199254740991, whole: true, flag: "--seed-step", usual: 1, help: "From the seed of one picture to that of the next." },
  amount: { called: "The amount", least: 0, most: 1, whole: false, flag: "--amount", usual: 0.5, help: "How far towards it, from 0 to 1." },
  frames: { called: "The number of frames", least: 2, most: 1000, whole: true, flag: "--frames", usual: null, help: "How many, 2 to 1000, both ends included; 8 by default." },
  guidance_scale: { called: "The guidance scale", least: 0, most: 8.0, whole: false, flag: "--guidance", usual: null, help: "How strongly the words pull, 0 to 8." },
  temperature: { called: "The temperature", least: 0, most: 10.0, whole: false, flag: "--temperature", usual: null, help: "How freely the words choose a form, 0 to 10." },
  steps: { called: "The number of steps", least: 1, most: 64, whole: true, flag: "--steps", usual: null, help: "From noise to the picture, 1 to 64; fewer are faster." },
  form_strength: { called: "The form strength", least: 0, most: 1, whole: false, flag: "--form-strength", usual: null, help: "How closely the form is followed, from 0 to 1." },
  strength: { called: "The strength", least: 0, most: 1, whole: false, flag: "--strength", usual: null, help: "How much changes: 0 is nothing, 1 a new picture; 0.5 by default." },
};
export const SAMPLING = ["guidance_scale", "temperature", "steps", "form_strength"];
