//! gRPC by tonic, over a Unix socket, with bodies that are bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::{CleansUp, Failure, Wanted, answer, cleaned, item_size, now, ready, say_median, say_rate, until_end};

/// Bodies as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

type Items = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

struct Down;

impl ServerStreamingService<Bytes> for Down {
    type Response = Bytes;
    type ResponseStream = Items;
    type Future = BoxFuture<Response<Items>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move {
            let size = item_size(&request.into_inner()).ok_or_else(|| Status::invalid_argument("no size"))?;
            let (item, cleans_up) = (Bytes::from(vec![0; size]), CleansUp);
            let items = futures_util::stream::repeat_with(move || {
                let _held = &cleans_up;
                Ok(item.clone())
            });
            Ok(Response::new(Box::pin(items) as Items))
        })
    }
}

struct One;

impl UnaryService<Bytes> for One {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(Bytes::from(answer(&request.into_inner())))) })
    }
}

#[derive(Clone)]
struct Bench;

impl NamedService for Bench {
    const NAME: &'static str = "bench.Items";
}

impl Service<http::Request<Body>> for Bench {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(if request.uri().path() == "/bench.Items/Down" {
                grpc.server_streaming(Down, request).await
            } else {
                grpc.unary(One, request).await
            })
        })
    }
}

pub(crate) async fn serve(address: &str) -> Result<(), Failure> {
    let listener = tokio::net::UnixListener::bind(address)?;
    tokio::task::spawn_blocking(|| until_end());
    ready();
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    Ok(Server::builder().add_service(Bench).serve_with_incoming(incoming).await?)
}

struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn connect(address: &str) -> Result<Client, Failure> {
        let path = address.to_owned();
        let connect = tower::service_fn(move |_| {
            let path = path.clone();
            async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(connect).await?;
        Ok(Client(tonic::client::Grpc::new(channel)))
    }

    async fn open(&mut self, opening: Bytes) -> Result<Streaming<Bytes>, Failure> {
        self.0.ready().await?;
        let path = PathAndQuery::from_static("/bench.Items/Down");
        Ok(self.0.server_streaming(Request::new(opening), path, Raw).await?.into_inner())
    }

    async fn request(&mut self, body: Bytes) -> Result<Bytes, Failure> {
        self.0.ready().await?;
        Ok(self.0.unary(Request::new(body), PathAndQuery::from_static("/bench.Items/One"), Raw).await?.into_inner())
    }
}

async fn next(stream: &mut Streaming<Bytes>) -> Result<(), Failure> {
    stream.next().await.ok_or("it ended")??;
    Ok(())
}

pub(crate) async fn measure(address: &str, wanted: &Wanted) -> Result<(), Failure> {
    let mut client = Client::connect(address).await?;
    let opening = Bytes::copy_from_slice(&wanted.opening());
    let (span, before) = wanted.spans();
    if wanted.what == "down" {
        let mut stream = client.open(opening).await?;
        let end = now() + before;
        while now() < end {
            next(&mut stream).await?;
        }
        let (began, mut count) = (now(), 0);
        while now() < began + span {
            for _ in 0..16 {
                next(&mut stream).await?;
            }
            count += 16;
        }
        say_rate(count, now() - began);
        return Ok(());
    }
    let (mut took, counts_from) = (Vec::new(), now() + before);
    for number in 1.. {
        if now() >= counts_from + span && !took.is_empty() {
            break;
        }
        // It gives up a connection on which too many streams were reset.
        if number % 20 == 0 {
            client = Client::connect(address).await?;
        }
        let mut began = now();
        let began_at = began;
        let ended = match wanted.what.as_str() {
            "request" => {
                client.request(Bytes::from(vec![0; wanted.size])).await?;
                now()
            }
            "first" => {
                next(&mut client.open(opening.clone()).await?).await?;
                now()
            }
            _ => {
                let (count, _) = cleaned(&client.request(Bytes::from_static(b"?")).await?);
                let mut stream = client.open(opening.clone()).await?;
                for _ in 0..5 {
                    next(&mut stream).await?;
                }
                began = now();
                drop(stream);
                loop {
                    let (seen, at) = cleaned(&client.request(Bytes::from_static(b"?")).await?);
                    if seen > count {
                        break at;
                    }
                }
            }
        };
        if began_at >= counts_from {
            took.push(ended.saturating_sub(began));
        }
    }
    say_median(took);
    Ok(())
}
