# The service alone: no functions, scripts or tests. tests/deploy/test_image.py builds and runs it.
#   docker build -t audioconnector-bridge .
#   docker run --rm -p 8080:8080 --env-file .env audioconnector-bridge
# Settings: .env.example. Where to run it: .github/DEPLOYING.md.

# Pinned by tag; Dependabot proposes newer ones. Both stages must be the same image, since the virtual
# environment points to its Python.
FROM docker.io/library/python:3.13-slim-trixie AS build

# Another lock than the image's own: for a voice that needs numpy, say.
ARG REQUIREMENTS=service/image-requirements.txt
# The services of AWS that ours uses; boto3 brings models of 400, which are nine tenths of its size.
ARG AWS_SERVICES="bedrock-runtime polly s3 secretsmanager sqs sts"

WORKDIR /app
COPY ${REQUIREMENTS} /tmp/requirements.txt
# Wheels only: nothing is compiled, and no code of a package runs while it is installed.
RUN python -m venv --without-pip .venv \
    && python -m pip --python .venv/bin/python install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: -r /tmp/requirements.txt
RUN set -eu; for model in .venv/lib/python3*/site-packages/botocore/data/*/; do \
    case " ${AWS_SERVICES} " in *" $(basename "$model") "*) ;; *) rm -r "$model" ;; esac; \
    done
COPY service service
# Compiled here, for the user below may not write; unchecked, so that no file's time is looked at.
RUN python -m compileall -q --invalidation-mode unchecked-hash service \
    && mkdir -p /data/events /data/spool


FROM docker.io/library/python:3.13-slim-trixie

LABEL org.opencontainers.image.title="AudioConnector Bridge" \
    org.opencontainers.image.description="Genesys Cloud calls, spoken with OpenAI's Realtime API" \
    org.opencontainers.image.licenses="MIT"

WORKDIR /app
COPY --from=build /app /app
# The only place that the user may write to: mount a disk here, and events outlive the container.
COPY --from=build --chown=10001:10001 /data /data

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EVENTS_URL=file:/data/events \
    SPOOL_DIR=/data/spool

# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# No shell between: the service is process 1 and gets the signal. No HEALTHCHECK either: Fly, ECS and
# Kubernetes ask /livez and /readyz themselves, and each run of one would start another Python.
ENTRYPOINT ["/app/.venv/bin/python", "-m", "service"]
