// ONNX Runtime 1.29 and newer sends telemetry and keeps a device id; it looks at this when its
// environment is made, so call it before Ort::Env.
#pragma once

#include <cstdlib>

namespace t2a {

inline void turn_telemetry_off() {
#ifdef _WIN32
  _putenv_s("ORT_DISABLE_TELEMETRY", "1");
#else
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
#endif
}

}  // namespace t2a
