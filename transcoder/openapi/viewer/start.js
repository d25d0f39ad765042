// As dark as the rest of the screen.
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
// Without the validator badge, which would ask another host.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#viewer", deepLinking: true, validatorUrl: null, docExpansion: "list" });
