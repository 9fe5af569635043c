"""A customer's server as a hybrid cloud has them: nginx, benches with sites in folders, an application, WebSockets."""
