# syntax=docker/dockerfile:1

# masklet in a container. `docs/team.md` describes how to run it; `compose.yaml` is an example.
ARG NODE_IMAGE=node:22-trixie-slim

# The packages of the lock file, and the sources compiled to dist/.
FROM ${NODE_IMAGE} AS build
WORKDIR /build
# The packages contain the CPU build of ONNX Runtime; without this, its install script downloads CUDA libraries.
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY . .
RUN npm run build && npm prune --omit=dev

FROM ${NODE_IMAGE}
# ffmpeg of the distribution is newer than the build of the npm packages, and gets its security updates. bubblewrap and
# setpriv put each ffmpeg in a box; where the container runtime forbids namespaces, masklet uses limits alone.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap ffmpeg tini util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=1000 --group=1000 --mode=0700 /data \
 && install --directory /media
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/packs ./packs
COPY --from=build /build/server/media/gconv ./server/media/gconv
ENV NODE_ENV=production \
    FFMPEG_PATH=/usr/bin/ffmpeg \
    FFPROBE_PATH=/usr/bin/ffprobe \
    MASKLET_HOST=0.0.0.0 \
    MASKLET_PORT=8765 \
    MASKLET_LOG_LEVEL=info \
    MASKLET_MEDIA_ROOTS=/media \
    MASKLET_UPLOAD_DIR=/data/uploads \
    MASKLET_SAVE_DIR=/data/saved
USER 1000:1000
VOLUME ["/data"]
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8765/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# tini collects the processes that a box leaves behind.
ENTRYPOINT ["/usr/bin/tini", "--", "node", "dist/clients/command/main.js"]
CMD ["serve"]
