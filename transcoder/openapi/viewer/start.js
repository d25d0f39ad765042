// Without the validator badge, which would ask another host.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#viewer", deepLinking: true, validatorUrl: null, docExpansion: "list" });
