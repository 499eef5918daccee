# Stands in for prom/prometheus: Debian's own, with its paths and user.
ARG BASE
FROM $BASE
RUN apt-get update -q && apt-get install -qy --no-install-recommends prometheus busybox \
    && ln -s /bin/busybox /usr/bin/wget \
    && install -d -o 65534 -g 65534 /prometheus
USER 65534
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
