//! A way to a server that can be cut, and mended.

use std::sync::Arc;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Makes a way to a server, by its address, that is there while `open` says so. Gives its port on this machine.
pub async fn way_to(server: String, open: watch::Receiver<bool>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let server = Arc::new(server);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (mut open, server) = (open.clone(), server.clone());
            tokio::spawn(async move {
                if !*open.borrow() {
                    return;
                }
                let Ok(mut far) = TcpStream::connect(&**server).await else { return };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = open.wait_for(|open| !open) => {}
                }
            });
        }
    });
    Ok(port)
}
