# syntax=docker/dockerfile:1
# The server with the shipped model: docker build -t t2a-edge . && docker run -p 8080:8080 t2a-edge
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY t2a_edge t2a_edge
RUN python -m venv /opt/t2a-edge \
 && /opt/t2a-edge/bin/pip install --no-cache-dir ".[serve]" \
 && /opt/t2a-edge/bin/pip uninstall --yes pip

FROM python:3.12-slim
LABEL org.opencontainers.image.title="t2a-edge" \
      org.opencontainers.image.description="Adjectives in, abstract picture out" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/t2a-edge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1
COPY --from=build /opt/t2a-edge /opt/t2a-edge
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["t2a-edge", "serve"]
CMD ["--host", "0.0.0.0", "--port", "8080"]
