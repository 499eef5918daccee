# Stands in for chrislusf/seaweedfs: the same program, from its wheel, for the same user.
ARG BASE
FROM $BASE
RUN apt-get update -q && apt-get install -qy --no-install-recommends busybox \
    && ln -s /bin/busybox /usr/bin/wget
RUN useradd --uid 1000 --no-create-home seaweed && install -d -o seaweed /data
COPY weed /usr/bin/weed
VOLUME /data
ENTRYPOINT ["/usr/bin/weed"]
