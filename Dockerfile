# Grove in an empty image: the static binary, certificate authorities, an own directory.
#
#   make build && docker build -t grove .
#   docker run --network host -v grove:/data grove
#
# make build has put the page and the definitions into the binary, so that the image needs
# neither Go nor Node. Grove listens on loopback only until access control is configured,
# hence the host's network, and the host is what its first tree shows.
FROM debian:stable-slim AS files
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && mkdir /data

FROM scratch
COPY --from=files /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=files --chown=65532:65532 /data /data
COPY bin/grove /grove
USER 65532:65532
VOLUME /data
ENTRYPOINT ["/grove"]
CMD ["serve", "--data", "/data"]
