# syntax=docker/dockerfile:1
# Three stages: the web page, the wheel with the page inside, and a small image that runs as an ordinary user.

FROM node:22-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/onetake \
    && /opt/onetake/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
COPY migrations/ migrations/
COPY --from=web /src/src/onetake/webui/ src/onetake/webui/
RUN /opt/build/bin/hatchling build -t wheel -d /dist \
    && /opt/onetake/bin/pip install --no-cache-dir --no-deps /dist/onetake-*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin onetake \
    && install -d -o onetake -g onetake -m 0700 /data
COPY --from=build /opt/onetake /opt/onetake
ENV PATH=/opt/onetake/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ONETAKE_DATA_DIR=/data \
    ONETAKE_BIND=0.0.0.0 \
    ONETAKE_LOG_FORMAT=json
USER onetake
WORKDIR /data
VOLUME /data
EXPOSE 8000 8080 8081 1935
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('ONETAKE_HTTP_PORT', '8000') + '/healthz', timeout=4)"]
CMD ["onetake", "serve"]
